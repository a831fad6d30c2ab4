/** Environment variables with the source and schema of their values. */
import type * as z from 'zod/mini';

export type SecretName = 'redis' | 'main' | 'replicas' | 'jwt' | 'github';

export type VariableSource<Queue extends string = string, FunctionName extends string = string> =
  /** a default that a deployment may override by CDK context `settings` */
  | { readonly kind: 'setting'; readonly value: string }
  /** must be set by the deployment unless it has the default `initially`; the local stack sets its own */
  | { readonly kind: 'deployment'; readonly describes: string; readonly initially?: string }
  /** a field of a JSON secret, by reference */
  | { readonly kind: 'secret'; readonly secret: SecretName; readonly field: string }
  | { readonly kind: 'queueUrl'; readonly queue: Queue; readonly use: QueueUse }
  | { readonly kind: 'functionName'; readonly function: FunctionName }
  /** the origins that the deployment also uses for CORS */
  | { readonly kind: 'frontendOrigins' }
  /** the `@connections` endpoint of the WebSocket API, with its stage */
  | { readonly kind: 'managementEndpoint' };

/** `probe` only checks that the queue is reachable; `deadLetters` receives messages from its dead-letter queue. */
export type QueueUse = 'send' | 'probe' | 'deadLetters';

export interface Variable<
  Schema extends z.ZodMiniType = z.ZodMiniType,
  Source extends VariableSource = VariableSource,
> {
  readonly schema: Schema;
  readonly source: Source;
}

/** Variables by their names in the environment. */
export type Variables<Source extends VariableSource = VariableSource> = Readonly<
  Record<string, Variable<z.ZodMiniType, Source>>
>;

/** @param value as text */
// @__NO_SIDE_EFFECTS__
export function setting<S extends z.ZodMiniType>(schema: S, value: string) {
  return { schema, source: { kind: 'setting', value } } as const;
}

// @__NO_SIDE_EFFECTS__
export function secret<S extends z.ZodMiniType>(schema: S, name: SecretName, field: string) {
  return { schema, source: { kind: 'secret', secret: name, field } } as const;
}

/** @param describes its description in the template */
// @__NO_SIDE_EFFECTS__
export function fromDeployment<S extends z.ZodMiniType>(schema: S, describes: string, initially?: string) {
  const source = { kind: 'deployment' as const, describes, ...(initially !== undefined && { initially }) };
  return { schema, source };
}

// @__NO_SIDE_EFFECTS__
export function queueUrl<S extends z.ZodMiniType, const Queue extends string>(
  schema: S,
  queue: Queue,
  use: QueueUse = 'send',
) {
  return { schema, source: { kind: 'queueUrl', queue, use } } as const;
}
