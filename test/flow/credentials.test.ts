/** Credentials where they could leak, be used twice, or outlive their right. */
import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bundleFunctions, bundlePath } from '../../infra/bundle.ts';
import { tokenIssuer } from '../../infra/local/demo-credentials.ts';
import { functions, webSocketStage, type FunctionName } from '../../infra/topology.ts';
import { signAccessToken } from '../../lib/auth/access-token.ts';
import { hashToken, mintApiToken } from '../../lib/auth/api-token.ts';
import { eventually } from '../support/eventually.ts';
import { loggedIn, redeem, visitGitHub, withCookie } from '../support/log-in.ts';
import { connectPlainSocket, connectSocket, type TestSocket } from '../support/test-socket.ts';
import { finishUnit, startTestStack, startUnit, type TestStack } from '../support/test-stack.ts';
import { queuedMessages, sqsOf } from '../support/traces.ts';

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
  it('opens one connection, however many come with it at once', async () => {
    const { tokens } = stack.description;
    const once = await ticket(tokens.viewer);
    const event = () => ({
      requestContext: {
        routeKey: '$connect',
        connectionId: randomUUID(),
        connectedAt: Date.now(),
        stage: webSocketStage,
      },
      queryStringParameters: { ticket: once },
    });
    const answers = await Promise.all(Array.from({ length: 1000 }, () => stack.invoke('connect', event())));
    const statuses = answers.map((answer) => (answer as { statusCode: number }).statusCode);
    expect(statuses.filter((each) => each === 200)).toHaveLength(1);
    expect(statuses.filter((each) => each === 401)).toHaveLength(999);
  });

  it('ends by itself, and a user has a bounded number of sockets', async () => {
    const token = await scriptToken('501', 'sockets');
    const unused = await ticket(token);
    expect(await stack.redisClient.ttl(stack.keys.ticket(hashToken(unused)))).toBeLessThanOrEqual(30);
    for (let n = 0; n < 3; n += 1) await open(token);
    await expect(connectPlainSocket(stack.description.websocket, unused)).rejects.toThrow('429');
  });

  it('does not open what its holder may not see', async () => {
    const token = await scriptToken('502', 'no transfers');
    await expect(connectSocket(stack.description.websocket, await ticket(token))).rejects.toThrow('403');
    const socket = await open(token);
    socket.send({ type: 'subscribe', channel: 'transfer.overview' });
    await eventually(() => expect(socket.messages.join()).toContain('"code":"forbidden"'));
  });
});

describe('a live socket ends within 5 s', () => {
  const told = (socket: TestSocket) =>
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
    await told(socket);
  });

  it('when its API token loses a scope', async () => {
    const token = await scriptToken('504', 'narrowed');
    const socket = await watching(token);
    await stack.redisClient.hset(stack.keys.token(hashToken(token)), { permissions: 'write:observations' });
    await told(socket);
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
    await Promise.all([told(ended), told(expiring)]);
  });
});

describe('secrets', () => {
  it('stand in no log, answer, value of Redis or message', async () => {
    const canary = await scriptToken('506', 'canary');
    const secret = canary.split('_')[2] ?? '';
    const once = await ticket(canary);
    const { back, browser, landed } = await visitGitHub(stack, 'olu-observer');
    const code = String(landed?.searchParams.get('code'));
    const exchanged = await redeem(stack, code);
    const person = loggedIn(exchanged);
    const [, refreshToken = ''] = person.cookie.split('=');
    const next = loggedIn(await withCookie(stack, '/auth/refresh', person.cookie));
    const [, nextRefreshToken = ''] = next.cookie.split('=');
    const unused = String((await visitGitHub(stack, 'ada-admin')).landed?.searchParams.get('code'));
    const answers = [
      await startUnit((path, request) => stack.api(path, { ...request, token: canary }), { obs_unit_id: 0 }),
      await startUnit((path, request) => stack.api(path, { ...request, token: canary })),
      await finishUnit((path, request) => stack.api(path, { ...request, token: canary }), 'nothing'),
      await stack.api('/auth/me', { token: canary }),
      await stack.api('/api/transfer/overview', { token: canary }),
      await stack.api('/auth/me', { token: `${canary}x` }),
      await stack.api('/auth/me', { token: next.accessToken }),
      await stack.api('/auth/me', { token: `${next.accessToken}x` }),
      await stack.api('/api/audit', { token: stack.description.tokens.admin }),
      await withCookie(stack, '/auth/refresh', `${next.cookie}x`),
      await redeem(stack, code),
      await stack.api(back.pathname + back.search, { token: null, headers: { Cookie: browser } }),
    ];
    const sqs = sqsOf(stack);
    const names = await stack.redisClient.keys('ops:*');
    const values = await Promise.all(
      names.map(async (name) => {
        const type: string = await stack.redisClient.type(name);
        if (type === 'hash') return [name, await stack.redisClient.hgetall(name)];
        if (type === 'set') return [name, await stack.redisClient.smembers(name)];
        if (type === 'zset') return [name, await stack.redisClient.zrange(name, 0, -1)];
        if (type === 'stream') return [name, await stack.redisClient.xrange(name, '-', '+')];
        return [name, await stack.redisClient.get(name)];
      }),
    );
    const places = {
      logs: stack.logs.join('\n'),
      answers: JSON.stringify(answers.map(({ body, headers }) => [body, [...headers]])),
      redis: JSON.stringify(values),
      messages: (await queuedMessages(stack, sqs)).join('\n'),
      urls: [back.href, `${landed?.origin}${landed?.pathname}`].join('\n'),
    };
    sqs.destroy();
    const canaries = {
      secret,
      once,
      code,
      unused,
      refreshToken,
      nextRefreshToken,
      accessToken: person.accessToken,
      nextAccessToken: next.accessToken,
      redisToken: stack.secrets.redisToken,
      githubSecret: stack.secrets.githubSecret,
      privateKey: String(stack.secrets.privateKey.d),
      viewer: stack.description.tokens.viewer,
    };
    for (const [place, text] of Object.entries(places)) {
      for (const [what, each] of Object.entries(canaries)) {
        expect(each.length, what).toBeGreaterThan(20);
        expect(text.includes(each), `${what} in ${place}`).toBe(false);
      }
    }
    expect(values.length).toBeGreaterThan(3);
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
