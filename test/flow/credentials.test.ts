/** Credentials must not leak, be used twice, or outlive their rights. */
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bundleFunctions, bundlePath } from '../../infra/bundle.ts';
import { tokenIssuer } from '../../infra/local/demo-credentials.ts';
import { functions, type FunctionName } from '../../infra/topology.ts';
import { signAccessToken } from '../../lib/credentials/access-token.ts';
import { hashToken, mintApiToken } from '../../lib/credentials/api-token.ts';
import { eventually } from '../support/eventually.ts';
import { loggedIn, redeem, visitGitHub, withCookie } from '../support/log-in.ts';
import { connectPlainSocket, connectSocket, type TestSocket } from '../support/test-socket.ts';
import { finishUnit, startTestStack, startUnit, type Api, type TestStack } from '../support/test-stack.ts';
import { sqsOf } from '../support/traces.ts';

let stack: TestStack;
const sockets: TestSocket[] = [];
beforeAll(async () => {
  stack = await startTestStack({ settings: { SOCKETS_PER_USER: '3' } });
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});
afterAll(() => stack.stop());

async function ticket(token: string): Promise<string> {
  const { status, body } = await stack.api('/api/ws/ticket', { method: 'POST', token });
  expect(status).toBe(201);
  return String(body.ticket);
}
async function open(token: string): Promise<TestSocket> {
  const socket = await connectPlainSocket(stack.description.websocket, await ticket(token));
  sockets.push(socket);
  return socket;
}
async function scriptToken(principal: string, name: string): Promise<string> {
  const { token, hash } = mintApiToken(principal, Buffer.alloc(64, name));
  await stack.redisClient.hset(stack.keys.token(hash), {
    id: randomUUID(),
    principal,
    name,
    role: 'service',
    permissions: 'read:observations write:observations',
    expires_at: '',
    revoked: '0',
  });
  return token;
}

describe('a ticket', () => {
  it('opens one of a thousand concurrent connections', async () => {
    const once = await ticket(stack.description.tokens.viewer);
    const tries = Array.from({ length: 1000 }, () => connectPlainSocket(stack.description.websocket, once));
    const outcomes = await Promise.allSettled(tries);
    const opened = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    sockets.push(...opened);
    expect(opened).toHaveLength(1);
    const refusals = outcomes.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []));
    // the gateway throttles its own part: by the rate of handshakes, and by the concurrency of the function
    for (const refusal of refusals) expect(refusal).toMatch(/Unexpected server response: (401|429|500)$/);
    expect(refusals).toHaveLength(999);
  });

  it('expires, and a user has a limited number of sockets', async () => {
    const token = await scriptToken('501', 'sockets');
    const unused = await ticket(token);
    expect(await stack.redisClient.ttl(stack.keys.ticket(hashToken(unused)))).toBeLessThanOrEqual(30);
    for (let n = 0; n < 3; n += 1) await open(token);
    await expect(connectPlainSocket(stack.description.websocket, unused)).rejects.toThrow('429');
  });

  it('does not open a channel beyond its holder’s permissions', async () => {
    const token = await scriptToken('502', 'no transfers');
    await expect(connectSocket(stack.description.websocket, await ticket(token))).rejects.toThrow('403');
    const socket = await open(token);
    socket.send({ type: 'subscribe', channel: 'transfer.overview' });
    await eventually(() => expect(socket.messages.join()).toContain('"code":"forbidden"'));
  });
});

describe('a credential revoked before use', () => {
  it('opens no socket with a ticket issued before', async () => {
    const token = await scriptToken('507', 'ticket first');
    const early = await ticket(token);
    await stack.redisClient.hset(stack.keys.token(hashToken(token)), { revoked: '1' });
    await expect(connectPlainSocket(stack.description.websocket, early)).rejects.toThrow('401');
  });

  it('gets no snapshot on an idle socket, which is closed', async () => {
    // start a broadcaster, which checks its connections every two seconds
    const watcher = await open(await scriptToken('508', 'watcher'));
    watcher.send({ type: 'subscribe', channel: 'executed_obs_units' });
    await eventually(() => expect(watcher.messages.join()).toContain('"type":"snapshot"'));
    const tokens = await Promise.all([1, 2, 3].map((n) => scriptToken(`508${n}`, `idle ${n}`)));
    const idle = await Promise.all(tokens.map(open));
    for (const token of tokens) {
      await stack.redisClient.hset(stack.keys.token(hashToken(token)), { revoked: '1' });
    }
    // subscribe one after the other within two seconds, so that a periodic check can catch at most one of them
    for (const socket of idle) {
      socket.send({ type: 'subscribe', channel: 'executed_obs_units' });
      await eventually(() => expect(socket.messages.length).toBeGreaterThan(0));
    }
    for (const socket of idle) {
      await eventually(() => expect(socket.isOpen()).toBe(false), { timeoutMs: 5000 });
      expect(socket.messages.join()).toContain('"code":"revoked"');
      expect(socket.messages.join()).not.toContain('snapshot');
    }
  });
});

describe('a live socket closes within 5 s', () => {
  const closesAsRevoked = (socket: TestSocket) =>
    eventually(
      () => {
        expect(socket.messages.join()).toContain('"code":"revoked"');
        expect(socket.isOpen()).toBe(false);
      },
      { timeoutMs: 5000 },
    );
  async function watching(token: string): Promise<TestSocket> {
    const socket = await open(token);
    socket.send({ type: 'subscribe', channel: 'executed_obs_units' });
    await eventually(() => expect(socket.messages.join()).toContain('"type":"snapshot"'));
    return socket;
  }

  it('when its API token is revoked', async () => {
    const token = await scriptToken('503', 'revoked');
    const socket = await watching(token);
    await stack.redisClient.hset(stack.keys.token(hashToken(token)), { revoked: '1' });
    await closesAsRevoked(socket);
  });

  it('when its API token loses a scope', async () => {
    const token = await scriptToken('504', 'narrowed');
    const socket = await watching(token);
    await stack.redisClient.hset(stack.keys.token(hashToken(token)), { permissions: 'write:observations' });
    await closesAsRevoked(socket);
  });

  it('when its owner is deactivated', async () => {
    const token = await scriptToken('509', 'deactivated');
    const socket = await watching(token);
    await stack.redisClient.hset(stack.keys.user('509'), { active: '0' });
    await closesAsRevoked(socket);
  });

  it('when its session ends, or its access token expires', async () => {
    const now = Math.floor(Date.now() / 1000);
    const session = (sessionId: string, seconds: number) =>
      signAccessToken(
        stack.secrets.privateKey,
        tokenIssuer,
        { id: '505', name: 'observer', role: 'observer', sessionId },
        { issuedAt: now, expiresAt: now + seconds, id: randomUUID() },
      );
    const ended = await watching(await session('ended', 600));
    const expiring = await watching(await session('expiring', 3));
    await stack.redisClient.set(stack.keys.revokedSession('ended'), '1');
    await Promise.all([closesAsRevoked(ended), closesAsRevoked(expiring)]);
  });
});

it('changes missed without a broadcaster are not sent to a client whose rights ended meanwhile', async () => {
  const token = await scriptToken('512', 'missed');
  const socket = await open(token);
  socket.send({ type: 'subscribe', channel: 'executed_obs_units' });
  await eventually(() => expect(socket.messages.join()).toContain('"type":"snapshot"'));
  for (const pid of stack.parts.lambdas.broadcast.pids()) process.kill(pid, 'SIGKILL');
  await stack.redisClient.hset(stack.keys.token(hashToken(token)), { revoked: '1' });
  const { body } = await startUnit(stack.api);
  await stack.redisClient.del(stack.keys.broadcaster);
  await eventually(async () => {
    await stack.runSchedule('sweep');
    expect(socket.isOpen()).toBe(false);
  });
  expect(socket.messages.join()).not.toContain(String(body.id));
});

it('a waiting request gets 401 when its credential is revoked', async () => {
  const token = await scriptToken('510', 'waits');
  stack.link.set({ up: false });
  const { body } = await startUnit((path, request) => stack.api(path, { ...request, token }));
  const hash = hashToken(token);
  const uses = async () => Number(await stack.redisClient.hget(stack.keys.token(hash), 'uses'));
  const before = await uses();
  const waits = stack.api(`/executed_obs_units/${String(body.id)}?wait=replicated&timeout=4`, { token });
  // the request was authenticated
  await eventually(async () => expect(await uses()).toBe(before + 1));
  await stack.redisClient.hset(stack.keys.token(hash), { revoked: '1' });
  expect((await waits).status).toBe(401);
  stack.link.set({ up: true });
});

describe('secrets', () => {
  it('appear in no log, answer, URL, Redis value, message or row, and planted ones are found', async () => {
    const canary = await scriptToken('506', 'canary');
    await ticket(canary);
    const { back, browser, landed } = await visitGitHub(stack, 'olu-observer');
    const code = String(landed?.searchParams.get('code'));
    const person = loggedIn(await redeem(stack, code));
    const next = loggedIn(await withCookie(stack, '/auth/refresh', person.cookie));
    await visitGitHub(stack, 'ada-admin');
    const asCanary: Api = (path, request) => stack.api(path, { ...request, token: canary });
    await startUnit(asCanary, { obs_unit_id: 0 });
    await startUnit(asCanary);
    await finishUnit(asCanary, 'nothing');
    await asCanary('/api/transfer/overview');
    for (const token of [canary, `${canary}x`, next.accessToken, `${next.accessToken}x`]) {
      await stack.api('/auth/me', { token });
    }
    await stack.api('/api/audit', { token: stack.description.tokens.admin });
    await withCookie(stack, '/auth/refresh', `${next.cookie}x`);
    await redeem(stack, code);
    await stack.api(back.pathname + back.search, { token: null, headers: { Cookie: browser } });
    await stack.findSecrets();

    const { redisClient, main, logs } = stack;
    const [leak, transactions] = ['ops:leak', stack.description.queues.transactions];
    const { cookie } = next;
    await redisClient.set(leak, cookie);
    await expect(stack.findSecrets()).rejects.toThrow('a refresh token in redis');
    await redisClient.del(leak);
    await main.query('insert into site (short_name, name) values ($1, $2)', [leak, canary]);
    await expect(stack.findSecrets()).rejects.toThrow('an API token in main');
    await main.query('delete from site where short_name = $1', [leak]);
    logs.push(`GET /auth/me ${next.accessToken}`);
    await expect(stack.findSecrets()).rejects.toThrow('a JWT in logs');
    logs.pop();
    const sqs = sqsOf(stack);
    const dead = { QueueUrl: `${transactions}-dead-letter`, MessageBody: `{"code":"${code}"}` };
    await sqs.send(new SendMessageCommand(dead));
    sqs.destroy();
    await expect(stack.findSecrets()).rejects.toThrow('a login code in messages');
    await stack.findSecrets();
  });

  it('of the local stack are in no deployed bundle', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
    await bundleFunctions(directory);
    for (const name of Object.keys(functions) as FunctionName[]) {
      const bundle = await readFile(bundlePath(directory, name), 'utf8');
      expect(bundle, name).not.toMatch(
        /demo (?:admin|viewer|observer|service)|demoSecrets|observatory scripts/,
      );
    }
    await rm(directory, { recursive: true });
  });
});

it('a socket closes with its rights while no replica answers', async () => {
  const token = await scriptToken('511', 'no replica');
  const socket = await open(token);
  socket.send({ type: 'subscribe', channel: 'transfer.overview' });
  socket.send({ type: 'subscribe', channel: 'executed_obs_units' });
  await eventually(() => expect(socket.messages.join()).toContain('"type":"snapshot"'));
  const { rows } = await stack.replica.query<{ pid: number }>(
    'select pid from pg_stat_activity where pid <> pg_backend_pid()',
  );
  // the replica accepts connections and queries but does not answer
  const pids = [stack.parts.replica.pid, ...rows.map(({ pid }) => pid)];
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    // a change that cannot be read, so that its message waits
    await startUnit(stack.api);
    await stack.redisClient.hset(stack.keys.token(hashToken(token)), { revoked: '1' });
    await eventually(() => expect(socket.isOpen()).toBe(false), { timeoutMs: 5000 });
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
});
