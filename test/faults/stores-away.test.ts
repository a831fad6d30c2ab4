/** While one of the two stores does not answer, observations are still recorded, each once. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mintApiToken } from '../../lib/credentials/api-token.ts';
import { eventually } from '../support/eventually.ts';
import { finishUnit, startTestStack, startUnit, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ settings: { ANSWER_BUDGET_MS: 'always' } });
});
afterEach(() => {
  for (const { pid } of [stack.parts.redis, stack.parts.sqs]) resume(pid);
});
afterAll(() => stack.stop());

const suspend = (pid: number) => process.kill(pid, 'SIGSTOP');
const resume = (pid: number) => process.kill(pid, 'SIGCONT');

async function onMain(ids: readonly unknown[]): Promise<{ id: string; status: string }[]> {
  const { rows } = await stack.main.query<{ id: string; status: string }>(
    'select id, status from executed_obs_unit where id = any ($1)',
    [ids],
  );
  return rows;
}

it('accept records in Redis alone while SQS does not answer, and the sweeper resends', async () => {
  const { api, parts, redisClient, keys } = stack;
  suspend(parts.sqs.pid);
  const started = await startUnit(api, { obs_unit_id: 11 });
  expect(started).toMatchObject({ status: 201, body: { sync: { state: 'buffered', stored_in: 'redis' } } });
  resume(parts.sqs.pid);
  // also if the message was lost in transit
  await eventually(async () => expect(await onMain([started.body.id])).toHaveLength(1), {
    timeoutMs: 2000,
  }).catch(() => stack.runSchedule('sweep'));
  await eventually(async () => {
    expect(await onMain([started.body.id])).toHaveLength(1);
    expect(await redisClient.zcard(keys.pending)).toBe(0);
  });
});

it('accept records in SQS alone while Redis does not answer, and main executes it once', async () => {
  const { api, parts } = stack;
  await startUnit(api, { obs_unit_id: 12 });
  const key = randomUUID();
  suspend(parts.redis.pid);
  const started = await startUnit(api, { obs_unit_id: 12 }, key);
  expect(started).toMatchObject({ status: 201, body: { sync: { state: 'buffered', stored_in: 'sqs' } } });
  const finished = await finishUnit(api, started.body.id);
  expect(finished).toMatchObject({ status: 202, body: { sync: { stored_in: 'sqs', verified: false } } });
  const read = await api(`/executed_obs_units/${String(started.body.id)}`);
  expect(read.status).toBe(503);
  expect(read.headers.get('retry-after')).toMatch(/^\d+$/);
  resume(parts.redis.pid);

  const again = await eventually(async () => {
    const reply = await startUnit(api, { obs_unit_id: 12 }, key);
    expect(reply.status).toBe(201);
    return reply;
  });
  expect(again.body.id).toBe(started.body.id);
  expect(again.body.transaction_id).toBe(started.body.transaction_id);
  await eventually(async () => {
    expect(await onMain([started.body.id])).toEqual([{ id: started.body.id, status: 'completed' }]);
    const { body } = await api(`/executed_obs_units/${String(started.body.id)}`);
    expect(body).toMatchObject({ status: 'completed', sync: { state: 'replicated' } });
  });
});

describe('an API token', () => {
  const token = async (name: string) => {
    const { token: text, hash } = mintApiToken('801', Buffer.alloc(64, name));
    const fields = {
      id: randomUUID(),
      principal: '801',
      name,
      role: 'service',
      expires_at: '',
      revoked: '0',
    };
    await stack.redisClient.hset(stack.keys.token(hash), { ...fields, permissions: 'write:observations' });
    return { text, hash };
  };
  const start = (text: string) =>
    startUnit((path, request) => stack.api(path, { ...request, token: text }), { obs_unit_id: 15 });
  /** enough requests for every instance of the function to see the token */
  const useOften = async (text: string, status: number) => {
    for (let n = 0; n < 30; n += 1) expect((await start(text)).status).toBe(status);
  };

  it('writes while Redis does not answer only if the instance has verified it before', async () => {
    const [unseen, known] = [await token('unseen'), await token('known')];
    await useOften(known.text, 201);
    suspend(stack.parts.redis.pid);
    expect(await start(unseen.text)).toMatchObject({ status: 503, body: { recorded: null } });
    expect((await start(known.text)).status).toBe(201);
  });

  it('does not write while Redis does not answer once it was seen revoked', async () => {
    const { text, hash } = await token('revoked later');
    await useOften(text, 201);
    await stack.redisClient.hset(stack.keys.token(hash), { revoked: '1' });
    await useOften(text, 401);
    suspend(stack.parts.redis.pid);
    expect(await start(text)).toMatchObject({ status: 503, body: { recorded: null } });
  });

  it('writes while the buffer is full, since Redis has verified it', async () => {
    const { text } = await token('full');
    const { redisClient, keys } = stack;
    const bytes = Number((await redisClient.hget(keys.stats, 'bytes')) ?? 0);
    await redisClient.hset(keys.stats, { bytes: 1e12 });
    expect(await start(text)).toMatchObject({ status: 201, body: { sync: { stored_in: 'sqs' } } });
    await redisClient.hset(keys.stats, { bytes });
  });
});

it('accept answers 503 with recorded: null when neither answers, and a repeat with the same key records once', async () => {
  const { api, parts } = stack;
  const key = randomUUID();
  const health = () => api('/health', { token: null });
  suspend(parts.redis.pid);
  expect(await health()).toMatchObject({ status: 200, body: { status: 'degraded', redis: 'unreachable' } });
  suspend(parts.sqs.pid);
  expect((await health()).status).toBe(503);
  const unknown = await startUnit(api, { obs_unit_id: 13 }, key);
  expect(unknown).toMatchObject({ status: 503, body: { recorded: null } });
  expect(unknown.headers.get('retry-after')).toMatch(/^\d+$/);
  resume(parts.redis.pid);
  resume(parts.sqs.pid);
  const started = await eventually(async () => {
    const reply = await startUnit(api, { obs_unit_id: 13 }, key);
    expect(reply.status).toBe(201);
    return reply;
  });
  // Redis may have executed the first attempt after it was given up: then its message was never sent, and the sweeper sends one
  await eventually(async () => {
    await stack.runSchedule('sweep');
    expect(await onMain([started.body.id])).toHaveLength(1);
  });
  const { rows } = await stack.main.query('select from inbox where obs_unit_id = 13');
  expect(rows).toHaveLength(1);
});

it('every acknowledged record survives the loss of all data in Redis', async () => {
  const { api, link, redisClient } = stack;
  link.set({ up: false });
  const started = await Promise.all(
    Array.from({ length: 20 }, (_, n) => startUnit(api, { obs_unit_id: n + 1 })),
  );
  const finished = await Promise.all(started.map(({ body }) => finishUnit(api, body.id)));
  const inBoth = finished.filter(({ body }) => (body.sync as { stored_in?: string }).stored_in === undefined);
  expect(inBoth.length).toBeGreaterThan(15);
  await redisClient.flushall();
  link.set({ up: true });
  const ids = inBoth.map(({ body }) => body.id);
  await eventually(
    async () =>
      expect((await onMain(ids)).filter(({ status }) => status === 'completed').length).toBe(ids.length),
    { timeoutMs: 50_000 },
  );
});
