/** The specification of a function as data, for the CDK app, the local stack and the handler. */
import type { Variables, VariableSource } from '../config/variable.ts';

export type WebSocketRouteKey = '$connect' | '$default' | '$disconnect';

/** Limits of asynchronous invocations. */
interface Asynchronous {
  /** after a failed run: 0–2 */
  readonly retries: number;
  /** an event that waits for longer is dropped; at least 60 s */
  readonly maxAgeSeconds: number;
}

export type Trigger<Queue extends string = string, Name extends string = string> =
  /** serves the operations whose contract has this function */
  | { readonly kind: 'http' }
  | { readonly kind: 'websocket'; readonly routes: readonly WebSocketRouteKey[] }
  /** `batchSize`: at most 10, because a larger batch requires a batching window, which would delay messages */
  | { readonly kind: 'queue'; readonly queue: Queue; readonly batchSize: number }
  | ({ readonly kind: 'schedule'; readonly everySeconds: number } & Asynchronous)
  /** invoked by other functions, which do not wait for it */
  | ({ readonly kind: 'async' } & Asynchronous)
  /** runs once per deployment, before these functions are replaced */
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
  /** maximum number of instances: reserved concurrency, or the maximum of the event source */
  readonly concurrency: number;
  /** needs a network path to Postgres */
  readonly database: boolean;
  /** per call, unless the settings contain REDIS_TIMEOUT_MS */
  readonly redisTimeoutMilliseconds?: number;
  /** its environment */
  readonly settings: Variables<VariableSource<Queue, OtherName>>;
}
