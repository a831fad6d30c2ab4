/** The registry of open WebSockets, each subscribed to the channel that it was opened for. */
import * as z from 'zod/mini';
import type { Redis } from '../redis/client.ts';
import { redisHash } from '../redis/hash.ts';
import type { Keys } from '../redis/keys.ts';
import { script } from '../redis/script.ts';

/** API Gateway ends a connection after two hours. */
const lifeSeconds = 7200;

/** Tells the broadcaster of each new connection. */
export const connectionsChannel = 'connections';

export interface Connection {
  readonly id: string;
  /** user id */
  readonly principal: string;
  readonly channel: string;
  /** epoch ms */
  readonly connectedAt: number;
}

const registerScript = script(`
local connections, of_user, connection = unpack(KEYS)
local a = cjson.decode(ARGV[1])
redis.call('ZREMRANGEBYSCORE', of_user, '-inf', a.connected_at)
if redis.call('ZCARD', of_user) >= a.limit then return 0 end
local ends = a.connected_at + ${lifeSeconds} * 1000
redis.call('ZADD', of_user, ends, a.id)
redis.call('EXPIRE', of_user, ${lifeSeconds})
redis.call('ZADD', connections, ends, a.id)
redis.call('HSET', connection, 'principal', a.principal, 'channel', a.channel, 'connected_at', a.connected_at)
redis.call('EXPIRE', connection, ${lifeSeconds})
redis.call('PUBLISH', '${connectionsChannel}', a.id)
return 1
`);

/** @returns false if the user has as many as are allowed */
export async function register(
  redis: Redis,
  keys: Keys,
  { id, principal, channel, connectedAt }: Connection,
  limit: number,
): Promise<boolean> {
  const answer = await registerScript(
    redis,
    [keys.connections, keys.connectionsOf(principal), keys.connection(id)],
    [JSON.stringify({ id, principal, channel, connected_at: connectedAt, limit })],
  );
  return answer === 1;
}

export async function unregister(redis: Redis, keys: Keys, id: string): Promise<void> {
  const principal = await redis.hget<string>(keys.connection(id), 'principal');
  const pipeline = redis.pipeline();
  pipeline.zrem(keys.connections, id);
  pipeline.del(keys.connection(id));
  if (principal !== null) pipeline.zrem(keys.connectionsOf(principal), id);
  await pipeline.exec();
}

/** Ids of the connections that may be open. */
export async function listConnections(redis: Redis, keys: Keys, nowMilliseconds: number): Promise<string[]> {
  return z
    .array(z.string())
    .parse(await redis.zrange(keys.connections, nowMilliseconds, '+inf', { byScore: true }));
}

const hash = z.pipe(
  redisHash,
  z.nullable(
    z.object({
      principal: z.string(),
      channel: z.string(),
      connected_at: z.pipe(z.string(), z.transform(Number)),
    }),
  ),
);

export async function readConnections(
  redis: Redis,
  keys: Keys,
  ids: readonly string[],
): Promise<Connection[]> {
  if (ids.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hgetall(keys.connection(id));
  const found = z.array(hash).parse(await pipeline.exec());
  return found.flatMap((each, index) =>
    each
      ? [
          {
            id: ids[index] ?? '',
            principal: each.principal,
            channel: each.channel,
            connectedAt: each.connected_at,
          },
        ]
      : [],
  );
}

/** Forgets those whose life has ended. */
export async function pruneConnections(redis: Redis, keys: Keys, nowMilliseconds: number): Promise<void> {
  await redis.zremrangebyscore(keys.connections, '-inf', nowMilliseconds);
}
