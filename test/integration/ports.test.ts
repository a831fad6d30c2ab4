/** Starting a server on a port that another process has taken meanwhile. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort, onFreePort } from '../../infra/local/ports.ts';
import { createClusters, startMain } from '../../infra/local/postgres.ts';
import { startRedis, type RedisServer } from '../../infra/local/redis.ts';
import { testPool } from '../support/test-pool.ts';

let directory: string;
let taken: Server;
let other: RedisServer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
  taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  other = await startRedis(join(directory, 'other'));
});
afterAll(async () => {
  taken.close();
  await other.stop();
  await rm(directory, { recursive: true, force: true });
});

/** The given ports first, then free ones. */
function ports(...first: number[]): () => Promise<number> {
  return async () => first.shift() ?? freePort();
}

it('startRedis takes another port, also if another Redis answers on the first', async () => {
  const busy = (taken.address() as AddressInfo).port;
  const server = await startRedis(join(directory, 'redis'), undefined, { pickPort: ports(busy, other.port) });
  expect([busy, other.port]).not.toContain(server.port);
  const client = await createClient({ url: `redis://127.0.0.1:${server.port}` }).connect();
  expect(await client.ping()).toBe('PONG');
  client.destroy();
  await server.stop();
});

it('startMain takes another port, also if another Postgres answers on the first', async () => {
  const [first, second] = ['first', 'second'].map((name) => ({
    directory: join(directory, name),
    durable: false,
  }));
  if (!first || !second) throw new Error('unreachable');
  await Promise.all([createClusters(first), createClusters(second)]);
  const one = await startMain(first);
  const pickPort = ports((taken.address() as AddressInfo).port, one.port);
  const two = await startMain({ ...second, pickPort });
  expect(two.port).not.toBe(one.port);
  const pool = testPool(two.url);
  const { rows } = await pool.query<{ data_directory: string }>('show data_directory');
  expect(rows[0]?.data_directory).toBe(join(second.directory, 'main'));
  await pool.end();
  await Promise.all([one.stop(), two.stop()]);
});

it('onFreePort tries a fixed port once', async () => {
  const tried: number[] = [];
  const start = async (port: number) => {
    tried.push(port);
    throw new Error('bind: Address already in use');
  };
  await expect(onFreePort(7, start)).rejects.toThrow('in use');
  expect(tried).toEqual([7]);
});
