/** Runs Redis scripts unchanged, but aborts them after a number of commands, which Redis does not roll back. */
import type { Redis } from '../../lib/redis/client.ts';
import { keyLocking } from '../../lib/redis/script.ts';

export interface Call {
  readonly source: string;
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

export interface Cutting {
  readonly client: Redis;
  /** the last script, with its KEYS and ARGV */
  readonly last: () => Call;
  /** the sources of all scripts that have run */
  readonly sources: ReadonlySet<string>;
  /** whether the last script ran to its end */
  readonly isWhole: () => boolean;
}

/** @param commands number of commands that a script may execute before it is cut off */
export function cutAfter(redis: Redis, commands: number): Cutting {
  let last: Call = { source: '', keys: [], args: [] };
  let isWhole = true;
  const sources = new Set<string>();
  const scripted = {
    evalsha: () => Promise.reject(new Error('NOSCRIPT')),
    eval: async (source: string, names: string[], args: string[]) => {
      last = { source, keys: names, args };
      sources.add(source);
      try {
        return await redis.eval(withLimit(source, commands), names, args);
      } catch (error) {
        if (!(error instanceof Error && error.message.includes(cutMessage))) throw error;
        isWhole = false;
        throw error;
      }
    },
  };
  const client = new Proxy(redis, {
    get: (target, name) => {
      if (name in scripted) return scripted[name as keyof typeof scripted];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { client, last: () => last, sources, isWhole: () => isWhole };
}

const cutMessage = 'cut here';

/** `redis.call` cannot be replaced in Redis 7, but a local of the same name hides it. */
export function withLimit(source: string, commands: number): string {
  const guard = `
local real_redis, executed = redis, 0
local redis = setmetatable({call = function(...)
  executed = executed + 1
  if executed > ${commands === Infinity ? 'math.huge' : commands} then error('${cutMessage}', 0) end
  return real_redis.call(...)
end}, {__index = real_redis})
`;
  return keyLocking + guard + source.slice(keyLocking.length);
}

const dumpLua = `
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local read = {string = {'GET', key}, hash = {'HGETALL', key}, set = {'SMEMBERS', key}, zset = {'ZRANGE', key, 0, -1, 'WITHSCORES'},
    list = {'LRANGE', key, 0, -1}, stream = {'XRANGE', key, '-', '+'}}
  all[#all + 1] = {key, kind, redis.call('TTL', key) < 0 and 'stays' or 'expires', redis.call(unpack(read[kind]))}
end
return all
`;

export type Dump = Readonly<Record<string, unknown>>;

/** The content of Redis in comparable form: repeated feed entries count once, and keys may be left out. */
export async function dumpRedis(redis: Redis, isLeftOut: (key: string) => boolean): Promise<Dump> {
  const all = await redis.eval<[], [string, string, string, unknown][]>(dumpLua, [], []);
  return Object.fromEntries(
    all
      .filter(([key]) => !isLeftOut(key))
      .map(([key, kind, life, value]) => [key, { kind, life, value: comparable(kind, value) }]),
  );
}

function comparable(kind: string, value: unknown): unknown {
  if (kind === 'stream') {
    const entries = value as [id: string, fields: string[]][];
    return [...new Set(entries.map(([, fields]) => fields.join(' ')))];
  }
  if (kind === 'set') return (value as string[]).toSorted();
  if (kind !== 'hash') return value;
  const fields = value as string[];
  return Object.fromEntries(fields.flatMap((f, i) => (i % 2 === 0 ? [[f, fields[i + 1]]] : [])));
}
