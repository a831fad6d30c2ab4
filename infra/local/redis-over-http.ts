/** Redis with the HTTP endpoint that the functions use. */
import { join } from 'node:path';
import type { Parts } from './parts.ts';
import { end, firstMessage, forkBound } from './process.ts';
import { startRedis, type RedisServer } from './redis.ts';

export interface RedisOverHttp {
  readonly redis: RedisServer;
  readonly upstash: { readonly url: string; readonly token: string };
}

export async function startRedisOverHttp(
  directory: string,
  token: string,
  parts: Parts,
): Promise<RedisOverHttp> {
  const redis = await parts.start('Redis', async (onLine) =>
    parts.keep(await startRedis(join(directory, 'redis'), undefined, { onLine })),
  );
  const port = await parts.start('Redis over HTTP', async (onLine) => {
    const front = forkBound(new URL('upstash.process.ts', import.meta.url), [String(redis.port)], {
      environment: { ...process.env, UPSTASH_TOKEN: token },
      onLine,
    });
    parts.onStop(() => end(front, 'SIGTERM'));
    return Number(await firstMessage(front));
  });
  return { redis, upstash: { url: `http://127.0.0.1:${port}`, token } };
}
