/** Calls of the scripts for users, credentials and the change feed, each with its preparation. */
import {
  acquireLeaseScript,
  readFeedAfterScript,
  readFeedBetweenScript,
  readFeedEndScript,
  releaseLeaseScript,
  renewLeaseScript,
  takeTurnScript,
} from '../../lib/redis/generated/scripts.ts';
import { deferChanges, republishDeferred } from '../../functions/broadcast/deferred.ts';
import { quarantine } from '../../lib/buffer/quarantine.ts';
import { streams } from '../../lib/channels/channels.ts';
import { writeCheckpoint } from '../../lib/channels/checkpoint.ts';
import { changeSubscription, saveSubscriptions, register } from '../../lib/sockets/connections.ts';
import { checkSession, checkToken } from '../../lib/credentials/check-credential.ts';
import { Relay } from '../../lib/change-feed/relay.ts';
import type { Database } from '../../lib/postgres/connect.ts';
import type { Principal } from '../../lib/people/principal.ts';
import type { Redis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import type { Site } from '../../lib/redis/site.ts';
import { mintRefreshToken, openSession, rotateSession } from '../../lib/sessions/session.ts';
import { enterWait } from '../../lib/smart-query/waiting.ts';
import { reserveToken } from '../../lib/tokens/token-limit.ts';
import { putToken, revokeToken, type StoredToken } from '../../lib/tokens/token-store.ts';
import { updateUser } from '../../lib/users/update-user.ts';
import { putUsers, type User } from '../../lib/users/user-store.ts';

export type Act = (client: Redis) => Promise<unknown>;

export interface Scenario {
  /** the preparation */
  readonly before: Act;
  /** the call that is cut off */
  readonly act: Act;
  /** matches numbers that rise with every attempt in the content of Redis as JSON */
  readonly counts?: RegExp;
}

const keys = keysOf('ops');
const now = Date.UTC(2026, 9, 1);
const lasting = Date.UTC(2096, 0, 1);
const hash = 'a'.repeat(64);

const at = (act: (site: Site) => Promise<unknown>): Act => {
  return (redis) => act({ redis, keys });
};
const nothing: Act = async () => undefined;

const user: User = {
  principal: '7',
  login: 'ada',
  name: 'Ada',
  role: 'observer',
  role_from: 'github',
  last_login_at: '',
  created_at: '2026-01-01T00:00:00Z',
  active: true,
  stamp: 1,
};
const token: StoredToken = {
  ...{
    id: 'token-1',
    principal: '7',
    name: 'laptop',
    role: 'observer',
    hash,
    permissions: ['write:observations'],
  },
  ...{ expiresAt: lasting / 1000, createdAt: now / 1000, revoked: false, uses: 3, usedAt: now },
};
const principal: Principal = {
  ...{ id: '7', name: 'Ada', role: 'observer', credential: 'session', sessionId: 's' },
  permissions: ['read:observations'],
};
const [presented, following, other] = [1, 2, 3].map((n) => mintRefreshToken(new Uint8Array(48).fill(n)));
if (!presented || !following || !other) throw new Error('unreachable');
const session = { presented, following: { ...following, sessionId: presented.sessionId } };
const when = { nowMilliseconds: now, isOutage: true, outageSeconds: 3600 };
const open = (endsAt: number) =>
  at((site) => openSession(site, presented, { principal: '7', endsAt, outageSeconds: 1e9 }));

const connection = { id: 'c', principal, channel: 'transfer.overview', connectedAt: now } as const;
const registered = at((site) => register(site, connection, 3));
const subscribe = at((site) => changeSubscription(site, 'c', { channel: 'x', request: 1 }));
const asked = /"asked":"\d+"|\\"asked\\":\d+/g;

/** A replica with an outbox: settled rows, and rows above an open transaction, some of which were relayed before. */
const outbox = (
  [
    ['11', 1, true, '7'],
    ['12', 1, true, null],
    ['14', 3, false, null],
    ['15', 4, false, '9'],
    ['15', 5, false, null],
  ] as const
).map(([xid, id, is_settled, left_obs_unit_id], index) => ({
  ...{
    xid,
    id: String(id),
    table_name: index === 1 ? 'transfer' : 'executed_obs_unit',
    row_id: `row ${index}`,
  },
  ...{ left_obs_unit_id: left_obs_unit_id === null ? null : Number(left_obs_unit_id), is_settled },
  is_reset: index === 2,
}));
const replica = {
  query: async ({
    name,
    values,
  }: {
    name: string;
    values?: readonly [string, string, string[], string[]];
  }) => {
    if (name === 'relay-replayed' || !values) return { rows: [{ lsn: null }] };
    const [cursorXid, cursorId, xids, lasts] = values;
    const lastOf = (xid: string) => Number(lasts[xids.indexOf(xid)] ?? 0);
    const after = outbox
      .filter(
        ({ xid, id }) =>
          Number(xid) > Number(cursorXid) || (xid === cursorXid && Number(id) > Number(cursorId)),
      )
      .filter((row) => row.is_settled || Number(row.id) > lastOf(row.xid))
      .map((row) => ({ ...row, is_known: Number(row.id) <= lastOf(row.xid) }));
    return { rows: [{ rows: after, pruned: null }] };
  },
} as unknown as Database;
const relayed = at(async (site) => {
  const relay = new Relay(site);
  while ((await relay.step(replica)).hasMore);
});

const begun: Act = (client) =>
  acquireLeaseScript(client, [keys.broadcaster, keys.broadcasterFence], [15_000]);

const reference = { id: 'x', stamp: 5, aggregate: 'unit' };
const feedKey = keys.feed(streams.buffer.stream);
const all = (...acts: Act[]): Act => {
  return async (client) => {
    for (const act of acts) await act(client);
  };
};

/** Name → scenario. */
export const siteScenarios: Readonly<Record<string, Scenario>> = {
  'count the use of a token': {
    before: at((site) => Promise.all([putToken(site, token), putUsers(site, [user])])),
    act: at((site) => checkToken(site, { hash, principalId: '7' }, now)),
    counts: /"uses":"\d+"/g,
  },
  'check a session': {
    before: at((site) => putUsers(site, [user])),
    act: at((site) => checkSession(site, principal)),
  },
  'load users': {
    before: nothing,
    act: at((site) => putUsers(site, [user, { ...user, principal: '8' }])),
  },
  'change a user': {
    before: at((site) => site.redis.set(keys.usersLoaded, '1')),
    act: at((site) => updateUser(site, '7', (before) => (before ? undefined : user))),
  },
  'take the role of an admin': {
    before: at((site) =>
      putUsers(site, [
        { ...user, role: 'admin' },
        { ...user, principal: '8', role: 'admin' },
      ]),
    ),
    act: at((site) =>
      updateUser(site, '7', (b) => (b?.role === 'admin' ? { ...user, stamp: 2 } : undefined), '8'),
    ),
  },
  'load a used token with an expiry': {
    before: nothing,
    act: at((site) => putToken(site, token)),
  },
  'revoke a token': {
    before: at((site) => putToken(site, token)),
    act: at((site) => revokeToken(site, token.id)),
  },
  'take the place of a token': {
    before: at((site) => putToken(site, { ...token, createdAt: 1 })),
    act: at((site) =>
      reserveToken(site, '7', { hash: 'b'.repeat(64), except: [], nowMilliseconds: Date.now() }),
    ),
    counts: /"\d{13}"|\d{13}/g,
  },
  'rotate a session that an outage extends': {
    before: open(now / 1000 - 10),
    act: at((site) => rotateSession(site, session, when)),
  },
  'end a session whose token was copied': {
    before: open(lasting / 1000),
    act: at((site) =>
      rotateSession(site, { ...session, presented: { ...other, sessionId: presented.sessionId } }, when),
    ),
  },
  'open a connection with a ticket': {
    before: at((site) => site.redis.set(keys.ticket('t'), '7')),
    act: at((site) => register(site, { ...connection, ticketKey: keys.ticket('t') }, 1)),
  },
  subscribe: { before: registered, act: subscribe, counts: asked },
  'end a subscription': {
    before: all(registered, subscribe),
    act: at((site) => changeSubscription(site, 'c', { channel: 'x', request: 1, remove: true })),
    counts: asked,
  },
  'note the state of subscriptions': {
    before: all(registered, subscribe),
    act: at((site) =>
      saveSubscriptions(site, [
        { id: 'c', channel: 'x', live: true, asked: 1 },
        { id: 'c', channel: connection.channel, live: true, asked: 0 },
      ]),
    ),
  },
  'take a turn': {
    before: nothing,
    act: (client) => takeTurnScript(client, [keys.turns('c')], ['m', now - 3000, now, 10_000]),
  },
  'begin a lease': {
    before: nothing,
    act: begun,
    counts: /"value":"\d+"/g,
  },
  'renew a lease': {
    before: begun,
    act: (client) => renewLeaseScript(client, [keys.broadcaster], [1, 15_000]),
  },
  'end a lease': {
    before: begun,
    act: (client) => releaseLeaseScript(client, [keys.broadcaster], [1]),
  },
  'write a checkpoint': {
    before: nothing,
    act: at((site) =>
      writeCheckpoint(site, 3, {
        epoch: 'e',
        positions: { observations: '0-0', transfer: '0-0', buffer: '0-0', connections: '0-0' },
        isWhole: true,
        states: {},
      }),
    ),
  },
  'relay changes': {
    before: at((site) =>
      Promise.all([
        site.redis.set(keys.relay, '10:1'),
        site.redis.hset(keys.relayAhead, { 11: '1', 15: '4' }),
      ]),
    ),
    act: relayed,
  },
  'publish deferred changes': {
    before: at((site) => deferChanges(site, ['record a', 'transaction b'])),
    act: at((site) => republishDeferred(site)),
  },
  'wait for a change': {
    before: nothing,
    act: at((site) => enterWait(site, { id: 'w', principal: '7', milliseconds: 1000 }, now)),
  },
  'put away an unreadable body': {
    before: at(async ({ redis }) => {
      await redis.zadd(keys.pending, { score: 5, member: '5:unit:x' });
      await redis.hset(keys.overlay('unit'), { 'b:x': 'text', 's:x': '{}' });
      await redis.hset(keys.transaction('x'), { state: 'buffered', size: '100' });
      await redis.hset(keys.stats, { bytes: '300' });
    }),
    act: at((site) => quarantine(site, { reference, text: 'text' }, 'not JSON')),
  },
  'read a feed': {
    before: nothing,
    act: (client) => readFeedAfterScript(client, [feedKey], ['0-0', 500]),
  },
  'read the end of a feed': {
    before: nothing,
    act: (client) => readFeedEndScript(client, [feedKey], []),
  },
  'read a part of a feed': {
    before: (client) => readFeedEndScript(client, [feedKey], []),
    act: (client) => readFeedBetweenScript(client, [feedKey], ['0-0', '9-9', 500]),
  },
};
