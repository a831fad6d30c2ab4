/** Every refusal has a reason, and leaves neither a buffer entry nor a message. */
import { SignJWT, importJWK } from 'jose';
import { randomUUID } from 'node:crypto';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signAccessToken } from '../../lib/credentials/access-token.ts';
import { hashToken, mintApiToken } from '../../lib/credentials/api-token.ts';
import { tokenIssuer } from '../../infra/local/demo-credentials.ts';
import { eventually } from '../support/eventually.ts';
import { queuedMessages, redisTrace, sqsOf } from '../support/traces.ts';
import {
  finishUnit,
  startTestStack,
  startUnit,
  type Reply,
  type Request,
  type TestStack,
} from '../support/test-stack.ts';

let stack: TestStack;
let sqs: SQSClient;
/** a finished unit whose transactions are all done */
let ended: string;
let trace: Record<string, unknown>;

beforeAll(async () => {
  stack = await startTestStack({ settings: { RATE_LIMIT_PER_SECOND: '40', START_WAIT_SECONDS: '600' } });
  sqs = sqsOf(stack);
  const { body } = await startUnit(stack.api, { obs_unit_id: 5 });
  ended = String(body.id);
  await finishUnit(stack.api, ended);
  await startUnit(stack.api, { obs_unit_id: 6 }, 'known key');
  await eventually(async () => {
    expect(await stack.redisClient.zcard(stack.keys.pending)).toBe(0);
    expect(await stack.redisClient.zcard(stack.keys.committed)).toBe(0);
  });
  // stop all background work, so that only requests change Redis and SQS
  await stack.quiesce();
});
afterAll(async () => {
  sqs.destroy();
  await stack.stop();
});
beforeEach(async () => {
  trace = await redisTrace(stack);
});

async function refused(request: Promise<Reply>, status: number): Promise<Reply['body']> {
  const reply = await request;
  expect(reply.status).toBe(status);
  expect(reply.headers.get('content-type')).toBe('application/problem+json');
  expect(reply.body).toMatchObject({ status, recorded: false, title: expect.any(String) as string });
  expect(String(reply.body.detail).length).toBeGreaterThan(10);
  expect(await redisTrace(stack)).toEqual(trace);
  expect(await queuedMessages(stack, sqs)).toEqual([]);
  return reply.body;
}

const start = (request: Request) => stack.api('/executed_obs_units/start', { method: 'POST', ...request });
const good = { obs_unit_id: 7 };

describe('400:', () => {
  it.each([
    ['no body', {}],
    ['a body that is not JSON', { text: '{"obs_unit_id": 7' }],
    ['a list', { body: [good] }],
    ['no planned unit', { body: {} }],
    ['a planned unit that is not an integer', { body: { obs_unit_id: '7' } }],
    ['a planned unit with a fraction', { body: { obs_unit_id: 7.5 } }],
    ['a planned unit below one', { body: { obs_unit_id: 0 } }],
    ['a planned unit beyond 32 bits', { body: { obs_unit_id: 2 ** 31 } }],
    ['an unknown field', { body: { ...good, obs_unit: 7 } }],
    ['a malformed id', { body: { ...good, id: 'abc' } }],
    ['a time without an offset', { body: { ...good, start_time: '2026-10-01T00:00:00' } }],
    ['a day that does not exist', { body: { ...good, start_time: '2026-02-30T00:00:00Z' } }],
    ['metadata that is not an object', { body: { ...good, metadata: [] } }],
    ['half a surrogate pair', { body: { ...good, metadata: { a: 'x\ud800y' } } }],
    ['half a surrogate pair in a key', { body: { ...good, metadata: { 'x\udfff': 1 } } }],
    ['a NUL character', { body: { ...good, metadata: { a: 'x\u0000y' } } }],
    ['nesting that is too deep', { body: { ...good, metadata: nested(40) } }],
    ['an empty idempotency key', { body: good, key: '' }],
    ['an idempotency key that is too long', { body: good, key: 'k'.repeat(256) }],
  ])('%s is refused, and nothing is recorded', async (_what, request: Request) => {
    await refused(start(request), 400);
  });

  it('a malformed UUID in the path', () => refused(finishUnit(stack.api, 'not-a-uuid'), 400));
  it('a status that is not final', () => refused(finishUnit(stack.api, ended, { status: 'running' }), 400));
});

describe('401:', () => {
  it.each([
    ['no credential', null],
    ['garbage', 'garbage'],
    ['a mistyped API token', 'ops_1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['an API token that was never issued', mintApiToken('1', Buffer.alloc(64, 7)).token],
  ])('%s', async (_what, token) => {
    await refused(start({ body: good, token }), 401);
    expect((await start({ body: good, token })).headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  it('an expired JWT', async () => {
    const now = Math.floor(Date.now() / 1000);
    const claims = { id: '4', name: 'demo observer', role: 'observer' as const, sessionId: 's' };
    const times = { issuedAt: now - 7200, expiresAt: now - 3600, id: 'j' };
    const token = await signAccessToken(stack.secrets.privateKey, tokenIssuer, claims, times);
    expect((await refused(start({ body: good, token }), 401)).detail).toContain('expired');
  });

  it('a JWT signed with the public key as a secret', async () => {
    const key = new TextEncoder().encode(JSON.stringify(stack.secrets.publicKey));
    const token = await new SignJWT({ role: 'admin', sub: '2' })
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: String(stack.secrets.publicKey.kid) })
      .sign(key);
    await refused(start({ body: good, token }), 401);
  });

  it('a JWT of another issuer', async () => {
    const token = await new SignJWT({ role: 'admin', sub: '2' })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: String(stack.secrets.publicKey.kid) })
      .setIssuer('http://elsewhere')
      .setExpirationTime('1h')
      .sign(await importJWK(stack.secrets.privateKey, 'EdDSA'));
    await refused(start({ body: good, token }), 401);
  });

  it('a revoked API token', async () => {
    await putToken('revoked', { revoked: '1' });
    trace = await redisTrace(stack);
    await refused(start({ body: good, token: tokens.revoked }), 401);
  });

  it('an expired API token', async () => {
    await putToken('expired', { expires_at: String(Math.floor(Date.now() / 1000) - 10) });
    trace = await redisTrace(stack);
    await refused(start({ body: good, token: tokens.expired }), 401);
  });
});

describe('403:', () => {
  it('a viewer', () => refused(start({ body: good, token: stack.description.tokens.viewer }), 403));

  it('an API token without the scope', async () => {
    await putToken('reader', { permissions: 'read:observations' });
    trace = await redisTrace(stack);
    await refused(start({ body: good, token: tokens.reader }), 403);
  });
});

it('404: a decision about an unknown transaction', () =>
  refused(
    stack.api('/api/transactions/0190b8f0-0000-7000-8000-00000000dead/retry', {
      method: 'POST',
      token: stack.description.tokens.admin,
    }),
    404,
  ));

describe('409:', () => {
  it('a finish with other values', async () => {
    await refused(finishUnit(stack.api, ended, { status: 'aborted' }), 409);
    await refused(finishUnit(stack.api, ended, { status: 'completed', metadata: { other: true } }), 409);
  });

  it('the id of an existing record', () => refused(startUnit(stack.api, { obs_unit_id: 8, id: ended }), 409));
});

it('413: a body that is too large', () =>
  refused(
    start({ body: { ...good, metadata: { a: 'x'.repeat(60_000), b: ['y'.repeat(60_000)], ...large() } } }),
    413,
  ));

it('422: an idempotency key of another request', () =>
  refused(startUnit(stack.api, { obs_unit_id: 9 }, 'known key'), 422));

it('429: more requests than the limit per second', async () => {
  const observer = mintApiToken('77', Buffer.alloc(64, 9));
  await stack.redisClient.hset(stack.keys.token(observer.hash), { ...tokenFields, principal: '77' });
  // use most of the rate in advance, since a slow machine would not reach it
  const now = Math.floor(Date.now() / 1000);
  const seconds = stack.redisClient.pipeline();
  for (let second = now; second < now + 60; second += 1)
    seconds.set(stack.keys.rate(`write:token:${observer.hash}`, String(second)), 95, { ex: 60 });
  await seconds.exec();
  const replies = await Promise.all(
    Array.from({ length: 40 }, () => start({ body: good, token: observer.token, key: randomUUID() })),
  );
  const limited = replies.filter(({ status }) => status === 429);
  expect(limited.length).toBeGreaterThan(0);
  expect(limited[0]?.headers.get('retry-after')).toBe('1');
  expect(limited[0]?.body).toMatchObject({ recorded: false });
  const accepted = replies.filter(({ status }) => status === 201);
  expect(accepted.length + limited.length).toBe(40);
  expect(await stack.redisClient.zcard(stack.keys.pending)).toBe(accepted.length);
});

function nested(depth: number): unknown {
  return depth === 0 ? 1 : { a: nested(depth - 1) };
}

function large(): object {
  return Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`c${n}`, 'z'.repeat(60_000)]));
}

const tokenFields = {
  id: '9',
  principal: '1',
  name: 'test',
  role: 'service',
  permissions: 'write:observations',
  expires_at: '',
  revoked: '0',
};
const tokens = {
  revoked: mintApiToken('1', Buffer.alloc(64, 1)).token,
  expired: mintApiToken('1', Buffer.alloc(64, 2)).token,
  reader: mintApiToken('1', Buffer.alloc(64, 3)).token,
};

async function putToken(name: keyof typeof tokens, fields: object): Promise<void> {
  await stack.redisClient.hset(stack.keys.token(hashToken(tokens[name])), { ...tokenFields, ...fields });
}
