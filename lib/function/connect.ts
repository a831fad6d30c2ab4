import type * as z from 'zod/mini';
import { isFunctionInstance, readEnvironment } from '../config/environment.ts';
import type { Variables } from '../config/variable.ts';
import type { redis } from '../config/variables.ts';
import { createLog, type Log } from '../observability/log.ts';
import { connectRedis } from '../redis/client.ts';
import { keysOf } from '../redis/keys.ts';
import type { Site } from '../redis/site.ts';
import type { FunctionSpec } from './function-spec.ts';

export type SettingsOf<V extends Variables> = { readonly [Name in keyof V]: z.output<V[Name]['schema']> };

/** Common dependencies of all functions. */
export interface Base<V extends Variables> {
  readonly settings: SettingsOf<V>;
  /** undefined if the settings do not contain REDIS_URL */
  readonly site: V extends { readonly REDIS_URL: unknown } ? Site : undefined;
  readonly log: Log;
}

/**
 * Creates the dependencies of a function once. A function instance creates them at its start, which fails if a setting is missing.
 * Elsewhere they are created on first use, so that a test can import a handler without an environment.
 * @param spec with the settings; no other variables are read
 * @param make creates further dependencies from the settings, such as clients and limits
 * @returns a function that throws an Error with every missing or malformed variable
 */
export function connect<S extends FunctionSpec, Parts>(
  spec: S,
  make: (base: Base<S['settings']>) => Parts,
): () => Parts {
  let made: { readonly parts: Parts } | undefined;
  const parts = () => (made ??= { parts: make(baseOf(spec)) }).parts;
  if (isFunctionInstance) parts();
  return parts;
}

function baseOf<S extends FunctionSpec>(spec: S): Base<S['settings']> {
  const settings = readSettings(spec.settings);
  return {
    settings,
    site: siteOf(settings, spec.redisTimeoutMilliseconds) as Base<S['settings']>['site'],
    log: createLog(String(settings.LOG_LEVEL), { function: spec.name }),
  };
}

/** @throws Error that names every missing or malformed variable */
function readSettings<V extends Variables>(variables: V): SettingsOf<V> {
  const schemas = Object.fromEntries(Object.entries(variables).map(([name, { schema }]) => [name, schema]));
  return readEnvironment(schemas) as SettingsOf<V>;
}

type RedisSettings = SettingsOf<typeof redis> & { readonly REDIS_TIMEOUT_MS?: number };

function siteOf(settings: Partial<RedisSettings>, redisTimeoutMilliseconds = 3000): Site | undefined {
  const { REDIS_URL: url, REDIS_TOKEN: token = '', REDIS_PREFIX: prefix = '' } = settings;
  if (url === undefined) return undefined;
  const timeoutMilliseconds = settings.REDIS_TIMEOUT_MS ?? redisTimeoutMilliseconds;
  return { redis: connectRedis({ url, token, timeoutMilliseconds }), keys: keysOf(prefix) };
}
