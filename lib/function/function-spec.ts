/** A function as data: what it is, when it runs, and which settings it reads. The CDK app, the local stack and its handler read it. */
import type { Variables, VariableSource } from '../config/variable.ts';

export type WebSocketRouteKey = '$connect' | '$default' | '$disconnect';

/** An invocation that nobody waits for. */
interface Asynchronous {
  /** of a run that fails: 0–2 */
  readonly retries: number;
  /** An event that waits for longer is dropped: at least 60 s. */
  readonly maxAgeSeconds: number;
}

export type Trigger<Queue extends string = string, Name extends string = string> =
  /** the operations that name this function */
  | { readonly kind: 'http' }
  | { readonly kind: 'websocket'; readonly routes: readonly WebSocketRouteKey[] }
  /** `batchSize`: at most 10; a larger batch needs a window, and a window is waiting */
  | { readonly kind: 'queue'; readonly queue: Queue; readonly batchSize: number }
  | ({ readonly kind: 'schedule'; readonly everySeconds: number } & Asynchronous)
  /** invoked by other functions, which do not wait for it */
  | ({ readonly kind: 'async' } & Asynchronous)
  /** once at each deployment, before these functions are replaced */
  | { readonly kind: 'deployment'; readonly before: readonly Name[] };

export interface FunctionSpec<
  Name extends string = string,
  OtherName extends string = string,
  Queue extends string = string,
> {
  readonly name: Name;
  /** the entry module; exports `handler` */
  readonly entry: string;
  readonly description: string;
  readonly trigger: Trigger<Queue, OtherName>;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  /** most instances at once: reserved concurrency, or the event source's maximum */
  readonly concurrency: number;
  /** needs a network path to Postgres */
  readonly database: boolean;
  /** of a call, unless REDIS_TIMEOUT_MS is among the settings */
  readonly redisTimeoutMilliseconds?: number;
  /** its environment */
  readonly settings: Variables<VariableSource<Queue, OtherName>>;
}
