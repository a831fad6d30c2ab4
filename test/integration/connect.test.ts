/** Opening a socket, and the order of answers on it. A refused handshake costs neither its ticket nor a place. */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openConnection, type ConnectParts } from '../../functions/connect/open-connection.ts';
import { issueTicket } from '../../lib/credentials/ticket.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { listConnections } from '../../lib/sockets/connections.ts';
import { inTurn } from '../../lib/sockets/turn.ts';
import { keysOf, type Keys } from '../../lib/redis/keys.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import type { Site } from '../../lib/redis/site.ts';

let redis: TestRedis;
let site: Site;
let keys: Keys;
let parts: ConnectParts;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  keys = keysOf(randomUUID());
  site = { redis: redis.client, keys };
  parts = {
    redis: redis.client,
    keys,
    isOpen: async () => true,
    needBroadcaster: async () => undefined,
    socketsPerUser: 2,
  };
});

const viewer: Principal = {
  id: '7',
  name: 'Vera',
  role: 'viewer',
  permissions: ['read:observations'],
  credential: 'session',
  sessionId: 's',
};
const ticketOf = () => issueTicket(site, viewer, randomBytes(32));
const open = (ticket: string, more: object = {}, some: Partial<ConnectParts> = {}) =>
  openConnection(
    { ...parts, ...some },
    { connectionId: randomUUID(), connectedAt: Date.now(), ticket, channel: undefined, ...more },
  );
const openSockets = async () => (await listConnections(site, Date.now())).length;

describe('a handshake', () => {
  it('spends its ticket once', async () => {
    const ticket = await ticketOf();
    const statuses = await Promise.all([open(ticket), open(ticket)]);
    expect(statuses.sort()).toEqual([200, 401]);
    expect(await openSockets()).toBe(1);
  });

  it.each<[string, number, object]>([
    ['names a channel that does not exist', 404, { channel: 'nothing' }],
    ['asks for a channel beyond its permissions', 403, { channel: 'transfer.overview' }],
  ])('that %s spends no ticket and takes no place', async (_what, status, more) => {
    const ticket = await ticketOf();
    expect(await open(ticket, more)).toBe(status);
    expect(await openSockets()).toBe(0);
    expect(await open(ticket)).toBe(200);
  });

  it('of a user at the socket limit spends no ticket', async () => {
    const first = randomUUID();
    await open(await ticketOf(), { connectionId: first });
    await open(await ticketOf());
    const ticket = await ticketOf();
    expect(await open(ticket)).toBe(429);
    expect(
      await open(ticket, { connectedAt: Date.now() + 60_000 }, { isOpen: async (id) => id !== first }),
    ).toBe(200);
    expect(await openSockets()).toBe(2);
  });

  it('that fails after registration returns its ticket and its place', async () => {
    const ticket = await ticketOf();
    const needBroadcaster = () => Promise.reject(new Error('no broadcaster starts'));
    const units = { channel: 'executed_obs_units' };
    await expect(open(ticket, units, { needBroadcaster })).rejects.toThrow('no broadcaster');
    expect(await openSockets()).toBe(0);
    expect(await open(ticket, units)).toBe(200);
  });
});

describe('messages of one connection', () => {
  const turn = (receivedAt: number) => ({ connectionId: 'c', messageId: randomUUID(), receivedAt });

  it('are answered in the order in which the gateway received them', async () => {
    const answered: number[] = [];
    const now = Date.now();
    await Promise.all(
      [3, 1, 2, 0].map((n) =>
        inTurn({ ...site, now: Date.now }, turn(now + n), async () => {
          await delay(20 - 5 * n);
          answered.push(n);
        }),
      ),
    );
    expect(answered).toEqual([0, 1, 2, 3]);
    expect(await redis.client.exists(keys.turns('c'))).toBe(0);
  });

  it('do not wait for a message whose function has died', async () => {
    await redis.client.zadd(keys.turns('c'), { score: Date.now() - 10_000, member: 'dead' });
    expect(await inTurn({ ...site, now: Date.now }, turn(Date.now()), async () => 'answered')).toBe(
      'answered',
    );
  });
});
