/** Stands for lib/function/connect.ts: what a function works with is made anew for each history. */
import { readEnvironment } from '../../../lib/config/environment.ts';
import type { FunctionSpec } from '../../../lib/function/function-spec.ts';
import { createLog } from '../../../lib/observability/log.ts';
import { keysOf } from '../../../lib/redis/keys.ts';
import { world } from '../world/world.ts';
import { connectRedis } from './redis.ts';

export function connect<Parts>(spec: FunctionSpec, make: (base: object) => Parts): () => Parts {
  return () => {
    const { instances } = world();
    const known = instances.get(spec.name) as Parts | undefined;
    if (known !== undefined) return known;
    const schemas = Object.fromEntries(
      Object.entries(spec.settings).map(([name, { schema }]) => [name, schema]),
    );
    const settings = readEnvironment(schemas);
    const made = make({
      settings,
      site: { redis: connectRedis(), keys: keysOf('ops') },
      log: createLog('warn', { function: spec.name }, (line) => world().log(line)),
    });
    instances.set(spec.name, made);
    return made;
  };
}
