import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../infra/local/ports.ts';
import { startRedis } from '../../infra/local/redis.ts';
import { startUpstash } from '../../infra/local/upstash.ts';
import { connectRedis, type Redis } from '../../lib/redis/client.ts';

export interface TestRedis {
  readonly client: Redis;
  readonly url: string;
  readonly token: string;
  /** sends a command that the client lacks */
  readonly command: (...command: readonly string[]) => Promise<unknown>;
  readonly stop: () => Promise<void>;
}

/** Starts a Redis behind the local Upstash endpoint. */
export async function startTestRedis(): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
  const server = await startRedis(directory);
  const [port, token] = [await freePort(), 'secret'];
  const front = await startUpstash({ redisPort: server.port, port, token });
  const url = `http://127.0.0.1:${port}`;
  return {
    client: connectRedis({ url, token }),
    url,
    token,
    command: async (...command) => {
      const headers = { Authorization: `Bearer ${token}` };
      const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(command) });
      return answer.json();
    },
    stop: async () => {
      front.closeAllConnections();
      front.close();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
