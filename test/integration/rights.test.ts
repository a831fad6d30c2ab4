/** When a broadcaster checks the rights of its connections. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Rights } from '../../functions/broadcast/rights.ts';
import type { Connection } from '../../lib/sockets/connections.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { freePort } from '../../infra/local/ports.ts';
import { eventually } from '../support/eventually.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';

let redis: TestRedis;
const keys = keysOf('rights');
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());

function broadcaster(client = redis.client) {
  const connections = new Map<string, Connection>();
  const [forgotten, disconnected]: [string[], string[]] = [[], []];
  const parts = {
    redis: client,
    keys,
    post: async () => 'sent' as const,
    disconnect: async (id: string) => void disconnected.push(id),
  };
  const rights = new Rights(parts, connections, (id) => {
    connections.delete(id);
    forgotten.push(id);
  });
  return { connections, rights, forgotten, disconnected };
}

const revoked: Connection = {
  id: 'one',
  principal: '7',
  permissions: ['read:observations'],
  sessionId: 'ended',
  connectedAt: 0,
  subscriptions: [],
};

it('Rights checks the first connections at once, even just after a check of none', async () => {
  await redis.client.set(keys.revokedSession('ended'), '1');
  const { connections, rights, forgotten, disconnected } = broadcaster();
  await rights.check(10_000);
  connections.set('one', revoked);
  await rights.check(10_100);
  expect(forgotten).toEqual(['one']);
  await eventually(() => expect(disconnected).toEqual(['one']));
});

it('Rights ends each connection once under concurrent checks', async () => {
  const { connections, rights, forgotten, disconnected } = broadcaster();
  connections.set('one', revoked);
  await Promise.all([rights.check(10_000), rights.check(10_001), rights.check(10_002)]);
  expect(forgotten).toEqual(['one']);
  await eventually(() => expect(disconnected).toEqual(['one']));
});

it('Rights checks again at once after a failed check', async () => {
  const { connections, rights } = broadcaster(
    connectRedis({ url: `http://127.0.0.1:${await freePort()}`, token: randomUUID() }),
  );
  connections.set('one', revoked);
  await expect(rights.check(10_000)).rejects.toThrow();
  await expect(rights.check(10_100)).rejects.toThrow();
});

it('Rights checks at most every two seconds', async () => {
  const { connections, rights, forgotten } = broadcaster();
  connections.set('good', { ...revoked, id: 'good', sessionId: 'valid' });
  await rights.check(10_000);
  await redis.client.set(keys.revokedSession('valid'), '1');
  await rights.check(11_900);
  expect(forgotten).toEqual([]);
  await rights.check(12_000);
  expect(forgotten).toEqual(['good']);
});
