/** Users and their rights: changed by admins, restored after Redis has lost them, and audited. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hashToken } from '../../lib/credentials/api-token.ts';
import { breakGlass } from '../../lib/users/break-glass.ts';
import { listActiveAdmins } from '../../lib/users/user-store.ts';
import { rolePermissions } from '../../lib/people/permissions.ts';
import { readTransactionsMessage } from '../../lib/queue/messages.ts';
import { applyByHand, settleByHand } from '../support/by-hand.ts';
import { eventually } from '../support/eventually.ts';
import { addMember, logIn, visitGitHub, withCookie } from '../support/log-in.ts';
import { connectPlainSocket } from '../support/test-socket.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';
import { drainMessages } from '../support/traces.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
  await stack.quiesce();
});
afterEach(async () => {
  await stack.redisClient.del(stack.keys.mainDown);
});
afterAll(() => stack.stop());

const me = (token: string) => stack.api('/auth/me', { token });
const startUnitAs = (token: string) =>
  stack.api('/executed_obs_units/start', { method: 'POST', token, body: { obs_unit_id: 1 } });

const markMainUnreachable = () => stack.redisClient.set(stack.keys.mainDown, '1');

describe('an admin', () => {
  const change = (token: string, id: string, body: object) =>
    stack.api(`/api/users/${id}`, { method: 'PUT', token, body });

  it('lists the users who have logged in', async () => {
    await logIn(stack, 'vera-viewer');
    const { accessToken } = await logIn(stack, 'ada-admin');
    const { body } = await stack.api('/api/users', { token: accessToken });
    expect(body).toContainEqual(
      expect.objectContaining({ id: '1003', login: 'vera-viewer', role: 'viewer', active: true }),
    );
    expect(JSON.stringify(body)).not.toContain('stamp');
  });

  it('sees a user whose GitHub name cannot be stored', async () => {
    stack.parts.github.accounts.set('odd', {
      id: 3009,
      name: 'odd\uffff',
      teams: ['observers'],
      membership: 'active',
    });
    expect((await logIn(stack, 'odd')).body).toMatchObject({ user: { login: 'odd', name: 'odd' } });
    await settleByHand(stack);
    const { rows } = await stack.main.query("select name from ops_user where principal = '3009'");
    expect(rows).toEqual([{ name: 'odd' }]);
  });

  it('changes a role for good, at once for sessions and tokens, and within 5 s for sockets', async () => {
    const admin = await logIn(stack, 'ada-admin');
    addMember(stack, 'ole', 3001);
    const ole = await logIn(stack, 'ole');
    const made = await stack.api('/api/tokens', {
      method: 'POST',
      token: ole.accessToken,
      body: { name: 't' },
    });
    const token = String(made.body.token);
    const ticket = await stack.api('/api/ws/ticket', { method: 'POST', token });
    const socket = await connectPlainSocket(stack.description.websocket, String(ticket.body.ticket));
    socket.send({ type: 'subscribe', channel: 'executed_obs_units' });
    await eventually(() => expect(socket.messages.join()).toContain('"type":"snapshot"'));

    const changed = await change(admin.accessToken, '3001', { role: 'viewer', reason: 'left the shift' });
    expect(changed.body).toMatchObject({ role: 'viewer', role_from: 'admin' });
    for (const credential of [ole.accessToken, token]) {
      expect((await startUnitAs(credential)).status).toBe(403);
      expect((await stack.api('/executed_obs_units', { token: credential })).status).toBe(200);
      expect((await stack.api('/api/tokens', { token: credential })).status).toBe(403);
      expect((await me(credential)).body).toMatchObject({
        role: 'viewer',
        permissions: rolePermissions.viewer,
      });
      const more = { method: 'POST', token: credential, body: { name: 'more' } };
      expect((await stack.api('/api/tokens', more)).status).toBe(403);
    }
    await eventually(() => expect(socket.isOpen()).toBe(false), { timeoutMs: 5000 });
    // the team at GitHub still implies the former role
    expect((await logIn(stack, 'ole')).body).toMatchObject({ user: { role: 'viewer' } });
    await settleByHand(stack);
    const { rows } = await stack.main.query(
      "select role, role_from, active from ops_user where principal = '3001'",
    );
    expect(rows).toEqual([{ role: 'viewer', role_from: 'admin', active: true }]);
    await change(admin.accessToken, '3001', { role: null });
    expect((await logIn(stack, 'ole')).body).toMatchObject({ user: { role: 'observer' } });
  });

  it('deactivates a user with all sessions and tokens', async () => {
    const admin = await logIn(stack, 'ada-admin');
    addMember(stack, 'bo', 3002);
    const bo = await logIn(stack, 'bo');
    const made = await stack.api('/api/tokens', {
      method: 'POST',
      token: bo.accessToken,
      body: { name: 't' },
    });
    expect((await change(admin.accessToken, '3002', { active: false })).status).toBe(200);
    for (const token of [bo.accessToken, String(made.body.token)]) {
      expect((await startUnitAs(token)).status).toBe(401);
      expect((await me(token)).status).toBe(401);
    }
    expect((await withCookie(stack, '/auth/refresh', bo.cookie)).status).toBe(401);
    expect((await visitGitHub(stack, 'bo')).landed?.searchParams.get('error')).toBe('access_denied');
  });

  it('cannot demote themselves, change unknown users or send an empty change', async () => {
    const { accessToken } = await logIn(stack, 'ada-admin');
    expect((await change(accessToken, '1001', { role: 'viewer' })).status).toBe(409);
    expect((await change(accessToken, '1001', { active: false })).status).toBe(409);
    expect((await change(accessToken, '99999', { role: 'viewer' })).status).toBe(404);
    expect((await change(accessToken, '1003', {})).status).toBe(400);
    expect((await change(accessToken, '1003', { role: 'root' })).status).toBe(400);
  });

  it('and another admin change a user concurrently without undoing each other’s change', async () => {
    const token = stack.description.tokens.admin;
    addMember(stack, 'di', 3004);
    for (let round = 0; round < 5; round += 1) {
      await logIn(stack, 'di');
      const both = [{ active: false }, { role: 'viewer' }].map((body) => change(token, '3004', body));
      expect((await Promise.all(both)).map(({ status }) => status)).toEqual([200, 200]);
      const { body } = await stack.api('/api/users', { token });
      expect(body).toContainEqual(expect.objectContaining({ id: '3004', role: 'viewer', active: false }));
      await settleByHand(stack);
      const { rows } = await stack.main.query("select role, active from ops_user where principal = '3004'");
      expect(rows).toEqual([{ role: 'viewer', active: false }]);
      await change(token, '3004', { active: true, role: null });
    }
  });

  it('lists all users in pages', async () => {
    const token = stack.description.tokens.admin;
    const { body: all } = await stack.api('/api/users?limit=1000', { token });
    const found: unknown[] = [];
    for (let path: string | undefined = '/api/users?limit=2'; path !== undefined;) {
      const { body, headers } = await stack.api(path, { token });
      const users = body as unknown as unknown[];
      expect(users.length).toBeLessThanOrEqual(2);
      found.push(...users);
      path = /<([^>]+)>/.exec(headers.get('link') ?? '')?.[1];
    }
    expect(found).toEqual(all);
    expect((await stack.api('/api/users?cursor=x', { token })).status).toBe(400);
  });

  it('changes a user while the buffer is full', async () => {
    const { redisClient, keys } = stack;
    const token = stack.description.tokens.admin;
    addMember(stack, 'ed', 3005);
    const ed = await logIn(stack, 'ed');
    await settleByHand(stack);
    const bytes = await redisClient.hget<string>(keys.stats, 'bytes');
    await redisClient.hset(keys.stats, { bytes: 1e12 });
    expect((await change(token, '3005', { active: false })).status).toBe(200);
    expect((await startUnitAs(ed.accessToken)).status).toBe(401);
    await redisClient.hset(keys.stats, { bytes: bytes ?? 0 });
    await applyByHand(stack, ...(await drainMessages(stack)));
    const { rows } = await stack.main.query("select active from ops_user where principal = '3005'");
    expect(rows).toEqual([{ active: false }]);
  });

  it('changes a user for good, although the sweeper loads an older row', async () => {
    const admin = await logIn(stack, 'ada-admin');
    addMember(stack, 'cy', 3003);
    const cy = await logIn(stack, 'cy');
    await settleByHand(stack);
    await change(admin.accessToken, '3003', { role: 'viewer' });
    await stack.runSchedule('sweep');
    expect((await startUnitAs(cy.accessToken)).status).toBe(403);
    await settleByHand(stack);
    await stack.redisClient.del(stack.keys.user('3003'));
    await stack.runSchedule('sweep');
    expect((await startUnitAs(cy.accessToken)).status).toBe(403);
  });
});

describe('an active admin remains', () => {
  const byHand = (id: string, body: object, token = stack.description.tokens.admin) =>
    stack.api(`/api/users/${id}`, { method: 'PUT', token, body });
  const activeAdmins = async () => (await listActiveAdmins(stack.site)).map(({ principal }) => principal);

  it('when two deactivate each other', async () => {
    for (const [login, id] of [
      ['ann', 5001],
      ['abe', 5002],
    ] as const)
      addMember(stack, login, id, ['admins']);
    const [ann, abe] = [await logIn(stack, 'ann'), await logIn(stack, 'abe')];
    for (const id of await activeAdmins()) {
      if (id !== '5001' && id !== '5002') await byHand(id, { active: false });
    }
    const both = await Promise.all([
      byHand('5001', { active: false }, abe.accessToken),
      byHand('5002', { active: false }, ann.accessToken),
    ]);
    const [refused] = both.filter(({ status }) => status !== 200);
    expect([...both.map(({ status }) => status)].sort()[0]).toBe(200);
    expect([401, 409]).toContain(refused?.status);
    expect(await activeAdmins()).toHaveLength(1);
    const [last = ''] = await activeAdmins();
    for (const body of [{ active: false }, { role: 'observer' }]) {
      expect(await byHand(last, body)).toMatchObject({
        status: 409,
        body: { detail: expect.stringContaining('last active admin') as string },
      });
    }
    // before all users are loaded Redis may lack other admins
    await stack.redisClient.del(stack.keys.usersLoaded);
    expect((await byHand(last, { active: false })).status).toBe(503);
    await stack.redisClient.set(stack.keys.usersLoaded, '1');
  });

  it('when their GitHub team no longer makes them an admin', async () => {
    const [last = ''] = await activeAdmins();
    const login = last === '5001' ? 'ann' : 'abe';
    addMember(stack, login, Number(last), ['observers']);
    expect((await logIn(stack, login)).body).toMatchObject({ user: { role: 'admin' } });
    const { body } = await stack.api(`/api/audit?subject=${last}`, { token: stack.description.tokens.admin });
    expect(body).toMatchObject({ 0: { action: 'user.changed', detail: { kept: 'the last active admin' } } });
  });

  it('and the break-glass command makes another admin, audited', async () => {
    await settleByHand(stack);
    expect(await breakGlass(stack.main, { login: 'nobody', reason: 'none', operator: 'x' })).toEqual({
      candidates: [],
    });
    const made = await breakGlass(stack.main, {
      login: 'Ada-Admin',
      reason: 'locked out',
      operator: 'ops@host',
    });
    expect(made).toMatchObject({ admin: { principal: '1001', role: 'admin', active: true } });
    await eventually(async () => {
      await stack.runSchedule('sweep');
      expect(await activeAdmins()).toContain('1001');
    });
    const { accessToken } = await logIn(stack, 'ada-admin');
    const [kept = ''] = (await activeAdmins()).filter((id) => id !== '1001');
    expect((await byHand(kept, { active: false }, accessToken)).status).toBe(200);
    const { body } = await stack.api('/api/audit?principal=break-glass', { token: accessToken });
    expect(body).toMatchObject([{ subject: '1001', detail: { reason: 'locked out', operator: 'ops@host' } }]);
    await byHand('1001', { role: null }, stack.description.tokens.admin);
  });
});

describe('after Redis has lost users and tokens,', () => {
  it('credentials get 503 instead of 401 until the sweeper has loaded all users', async () => {
    const { redisClient, keys } = stack;
    addMember(stack, 'flo', 4001);
    const flo = await logIn(stack, 'flo');
    const { accessToken: known } = await logIn(stack, 'ada-admin');
    const { tokens } = stack.description;
    const made = await stack.api('/api/tokens', {
      method: 'POST',
      token: flo.accessToken,
      body: { name: 't' },
    });
    await stack.api('/api/users/4001', { method: 'PUT', token: tokens.admin, body: { active: false } });
    await settleByHand(stack);
    await redisClient.del(
      keys.usersLoaded,
      keys.user('4001'),
      keys.token(hashToken(String(made.body.token))),
      keys.tokenById(String(made.body.id)),
    );
    expect((await visitGitHub(stack, 'flo')).landed?.searchParams.get('error')).toBe(
      'temporarily_unavailable',
    );
    for (const list of ['/api/users', '/api/tokens', '/api/tokens?owner=4001']) {
      expect((await stack.api(list, { token: known })).status, list).toBe(503);
    }
    const asAdmin = { token: tokens.service };
    const statuses = [
      await me(flo.accessToken),
      await me(String(made.body.token)),
      await stack.api('/executed_obs_units', { token: flo.accessToken }),
    ].map(({ status, headers }) => [status, headers.get('retry-after')]);
    expect(statuses).toEqual([503, 503, 503].map((status) => [status, '2']));
    // writes of sessions go to the queue alone
    expect(await startUnitAs(flo.accessToken)).toMatchObject({
      status: 201,
      body: { sync: { stored_in: 'sqs' } },
    });
    expect((await startUnitAs(String(made.body.token))).status).toBe(503);
    expect((await stack.api('/auth/me', asAdmin)).status).toBe(503);
    await stack.runSchedule('sweep');
    expect((await me(flo.accessToken)).status).toBe(401);
    // users unknown to the replica may still be in copies on their way to Redis
    expect((await stack.api('/auth/me', asAdmin)).status).toBe(503);
    await redisClient.set(keys.usersLoadedFirst, '0');
    await stack.runSchedule('sweep');
    expect((await stack.api('/auth/me', asAdmin)).status).toBe(200);
    // the same when the mark is lost again
    await redisClient.del(keys.usersLoaded);
    await stack.runSchedule('sweep');
    expect((await stack.api('/auth/me', asAdmin)).status).toBe(503);
    await redisClient.set(keys.usersLoaded, '1');
    expect((await visitGitHub(stack, 'flo')).landed?.searchParams.get('error')).toBe('access_denied');
    await drainMessages(stack);
  });

  it.each(['unreachable', 'reachable'])(
    'a copy restores the removal of a right, with main %s',
    async (where) => {
      const { redisClient, keys } = stack;
      const { tokens } = stack.description;
      const id = where === 'unreachable' ? 4002 : 4003;
      addMember(stack, `gus-${id}`, id);
      const gus = await logIn(stack, `gus-${id}`);
      const made = await stack.api('/api/tokens', {
        method: 'POST',
        token: gus.accessToken,
        body: { name: 't' },
      });
      const token = String(made.body.token);
      await settleByHand(stack);
      await drainMessages(stack);
      if (where === 'unreachable') await markMainUnreachable();
      await stack.api(`/api/tokens/${String(made.body.id)}`, { method: 'DELETE', token: tokens.admin });
      await stack.api(`/api/users/${id}`, { method: 'PUT', token: tokens.admin, body: { role: 'viewer' } });
      const copies = await drainMessages(stack);
      // as after a failover to an earlier state
      for (const copy of copies) {
        const message = readTransactionsMessage(copy);
        if (message.kind === 'transaction') await redisClient.del(keys.transaction(message.transaction.id));
      }
      await redisClient.del(keys.pending);
      await redisClient.hset(keys.token(hashToken(token)), { revoked: '0' });
      await redisClient.hset(keys.user(String(id)), {
        role: 'observer',
        permissions: rolePermissions.observer.join(' '),
        stamp: '1',
      });
      const statuses = async () => [
        (await startUnitAs(token)).status,
        (await startUnitAs(gus.accessToken)).status,
      ];
      expect(await statuses()).toEqual([201, 201]);
      const left = await applyByHand(stack, ...copies);
      expect(left).toHaveLength(where === 'unreachable' ? copies.length : 0);
      expect(await statuses()).toEqual([401, 403]);
      await redisClient.del(keys.mainDown);
      await settleByHand(stack);
    },
  );
});

it('a revocation takes effect although its copy arrives before the token is loaded', async () => {
  const { redisClient, keys } = stack;
  addMember(stack, 'hal', 4004);
  const hal = await logIn(stack, 'hal');
  const made = await stack.api('/api/tokens', {
    method: 'POST',
    token: hal.accessToken,
    body: { name: 't' },
  });
  const [id, token] = [String(made.body.id), String(made.body.token)];
  await settleByHand(stack);
  await eventually(async () => {
    const { rowCount } = await stack.replica.query('select from api_token where id = $1', [id]);
    expect(rowCount).toBe(1);
  });
  await drainMessages(stack);
  await markMainUnreachable();
  await stack.api(`/api/tokens/${id}`, { method: 'DELETE', token: stack.description.tokens.admin });
  const copies = await drainMessages(stack);
  await redisClient.del(keys.token(hashToken(token)), keys.tokenById(id));
  await applyByHand(stack, ...copies);
  await stack.runSchedule('sweep');
  expect((await me(token)).status).toBe(200);
  await applyByHand(stack, ...copies);
  expect((await me(token)).status).toBe(401);
  await redisClient.del(keys.mainDown);
  await settleByHand(stack);
});

describe('the audit', () => {
  it('shows every event once in pages, while buffered and when replicated', async () => {
    const { accessToken } = await logIn(stack, 'ada-admin');
    const walk = async () => {
      const found: Record<string, unknown>[] = [];
      let path: string | undefined = '/api/audit?limit=3';
      while (path !== undefined) {
        const { body, headers } = await stack.api(path, { token: accessToken });
        found.push(...(body as unknown as Record<string, unknown>[]));
        path = /<([^>]+)>/.exec(headers.get('link') ?? '')?.[1];
      }
      return found;
    };
    const before = await walk();
    await settleByHand(stack);
    const after = await walk();
    expect(after).toEqual(before);
    expect(new Set(after.map(({ id }) => id)).size).toBe(after.length);
    const times = after.map(({ at }) => String(at));
    expect(times).toEqual(times.toSorted().reverse());
    await stack.redisClient.del(stack.keys.recentAudit);
    expect(await walk()).toEqual(after);
    expect(after).toContainEqual(expect.objectContaining({ action: 'session.opened', principal: '1001' }));
  });

  it('is filtered by principal, action and subject', async () => {
    const token = stack.description.tokens.admin;
    const ask = async (query: string) =>
      (await stack.api(`/api/audit?limit=1000${query}`, { token })).body as unknown as {
        id: string;
        principal: string;
        action: string;
        subject: string;
      }[];
    const compare = async () => {
      const all = await ask('');
      const [some] = all.filter(({ action }) => action === 'token.created');
      expect(some).toBeDefined();
      const queries = {
        [`&principal=${some?.principal}`]: all.filter(({ principal }) => principal === some?.principal),
        '&action=user.changed': all.filter(({ action }) => action === 'user.changed'),
        [`&subject=${some?.subject}`]: all.filter(({ subject }) => subject === some?.subject),
        '&subject=nothing': [],
      };
      for (const [query, expected] of Object.entries(queries)) {
        expect(await ask(query), query).toEqual(expected);
      }
      expect(queries['&action=user.changed']?.length).toBeGreaterThan(2);
    };
    await compare();
    await settleByHand(stack);
    await stack.redisClient.del(stack.keys.recentAudit);
    await compare();
    const pages: unknown[] = [];
    for (let path: string | undefined = '/api/audit?action=user.changed&limit=2'; path !== undefined;) {
      const { body, headers } = await stack.api(path, { token });
      pages.push(...(body as unknown as unknown[]));
      path = /<([^>]+)>/.exec(headers.get('link') ?? '')?.[1];
    }
    expect(pages).toEqual(await ask('&action=user.changed'));
    expect((await stack.api('/api/audit?action=flown', { token })).status).toBe(400);
  });

  it('cannot be changed, not even by SQL at main', async () => {
    for (const table of ['audit_event', 'transaction_audit']) {
      await expect(stack.main.query(`delete from ${table}`)).rejects.toThrow('append-only');
      await expect(stack.main.query(`update ${table} set principal = '0'`)).rejects.toThrow('append-only');
      await expect(stack.main.query(`truncate ${table}`)).rejects.toThrow('append-only');
    }
  });

  it('is visible to admins only', async () => {
    const { accessToken } = await logIn(stack, 'olu-observer');
    expect((await stack.api('/api/audit', { token: accessToken })).status).toBe(403);
  });
});

describe('the use count of a token', () => {
  it('is kept in Redis and written to main by the sweeper', async () => {
    const { accessToken } = await logIn(stack, 'olu-observer');
    const made = await stack.api('/api/tokens', {
      method: 'POST',
      token: accessToken,
      body: { name: 'used' },
    });
    const token = String(made.body.token);
    await settleByHand(stack);
    await startUnitAs(token);
    for (let n = 0; n < 3; n += 1) await me(token);
    // refused requests do not count as uses
    await stack.redisClient.hset(stack.keys.token(hashToken(token)), { revoked: '1' });
    await me(token);
    await startUnitAs(token);
    await stack.redisClient.hset(stack.keys.token(hashToken(token)), { revoked: '0' });
    const rows = async () => {
      const text = 'select usage_count::int as n from api_token where id = $1';
      const { rows: found } = await stack.main.query<{ n: number }>(text, [made.body.id]);
      return found;
    };
    expect(await rows()).toEqual([{ n: 0 }]);
    await stack.redisClient.del(stack.keys.usageRecorded); // written at most once an hour
    await stack.runSchedule('sweep');
    await settleByHand(stack);
    expect(await rows()).toEqual([{ n: 4 }]);
    const list = await stack.api('/api/tokens', { token: accessToken });
    expect(list.body).toContainEqual(expect.objectContaining({ id: made.body.id, uses: 4 }));
    // the count survives the loss of Redis
    const hash = String(await stack.redisClient.get(stack.keys.tokenById(String(made.body.id))));
    await stack.redisClient.del(stack.keys.token(hash));
    await stack.runSchedule('sweep');
    await me(token);
    expect(await stack.redisClient.hget(stack.keys.token(hash), 'uses')).toBe('5');
  });
});
