import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../infra/local/ports.ts';
import { startRedis } from '../../infra/local/redis.ts';
import { startUpstash } from '../../infra/local/upstash.ts';
import { connectRedis, type Redis } from '../../lib/redis/client.ts';

export interface TestRedis {
  readonly client: Redis;
  readonly stop: () => Promise<void>;
}

/** A Redis behind its local front, alone. */
export async function startTestRedis(): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
  const server = await startRedis(directory);
  const [port, token] = [await freePort(), 'secret'];
  const front = await startUpstash({ redisPort: server.port, port, token });
  return {
    client: connectRedis({ url: `http://127.0.0.1:${port}`, token }),
    stop: async () => {
      front.closeAllConnections();
      front.close();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
