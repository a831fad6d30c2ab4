/** One of the two stores does not answer: the observation is recorded all the same, and nothing is recorded twice. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
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

it('answers from Redis alone while SQS is silent, and the sweeper sees to the rest', async () => {
  const { api, parts, redisClient, keys } = stack;
  suspend(parts.sqs.pid);
  const started = await startUnit(api, { obs_unit_id: 11 });
  expect(started).toMatchObject({ status: 201, body: { sync: { state: 'buffered', stored_in: 'redis' } } });
  resume(parts.sqs.pid);
  // as if the message had been lost on the way
  await eventually(async () => expect(await onMain([started.body.id])).toHaveLength(1), {
    timeoutMs: 2000,
  }).catch(() => stack.runSchedule('sweep'));
  await eventually(async () => {
    expect(await onMain([started.body.id])).toHaveLength(1);
    expect(await redisClient.zcard(keys.pending)).toBe(0);
  });
});

it('answers from SQS alone while Redis is silent, and main has it once', async () => {
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

it('says that it does not know when neither answers, and the same key then records it once', async () => {
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
  await eventually(async () => expect(await onMain([started.body.id])).toHaveLength(1));
  const { rows } = await stack.main.query('select from inbox where obs_unit_id = 13');
  expect(rows).toHaveLength(1);
});

it('keeps every acknowledged record when Redis forgets everything', async () => {
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
