import { expect, it } from 'vitest';
import type { AcceptVerdict } from '../../lib/buffer/accept.ts';
import type { Log } from '../../lib/observability/log.ts';
import { withIds } from '../../lib/observability/ids.ts';
import type { Redis } from '../../lib/redis/client.ts';
import { RedisError, RedisUnreachable } from '../../lib/redis/failure.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { problemOf } from '../../lib/submission/problem-of.ts';
import {
  maxMessageBytes,
  submit,
  type Obstacle,
  type RefusalCode,
  type Submission,
} from '../../lib/submission/submit.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';

const id = '019ac000-0000-7000-8000-000000000001';

function transactionOf(metadata = '') {
  const heading = { id, stamp: 1_000_000, aggregate: id, principal: '1', operation: 'test' };
  const builder = new TransactionBuilder(heading, () => id);
  builder.create('audit_event', { principal: '1', detail: { metadata } });
  return builder.build();
}

const submission: Submission = {
  claimant: { kind: 'none', principalId: '1' },
  permission: '',
  transaction: transactionOf(),
  patch: '{}',
  status: 200,
  nowMilliseconds: 1000,
};

type Answer = AcceptVerdict | Error | string;

/** A site whose Redis always gives one answer, with a queue that accepts a message, fails or never answers. */
function fakeSite(answer: Answer, queue: 'accepts' | 'fails' | 'does not answer' = 'accepts') {
  const metrics: unknown[] = [];
  const sent: string[] = [];
  const note = (_message: string, details?: Readonly<Record<string, unknown>>) =>
    void metrics.push(details?.metric);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const calls = { redis: 0, queue: 0 };
  const evalsha = async () => {
    calls.redis += 1;
    if (answer instanceof Error) throw answer;
    return typeof answer === 'string' ? answer : JSON.stringify(answer);
  };
  const send = (body: string) => {
    calls.queue += 1;
    if (queue === 'fails') return Promise.reject(new Error('no answer'));
    if (queue === 'does not answer') return new Promise<void>(() => undefined);
    sent.push(body);
    return Promise.resolve();
  };
  const parts = {
    redis: { evalsha } as unknown as Redis,
    keys: keysOf('test'),
    queue: { send },
    log,
    limits: { requestsPerSecond: 100, budgetBytes: 1e9 },
    now: () => 2000,
  };
  return { parts, metrics, sent, calls };
}

const accepted = { accepted: true, stamp: '7000', patch: '{}', base: false, status: 200, left: 9 } as const;

it('submit records a transaction with one Redis call and one queue call', async () => {
  const { parts, calls, sent, metrics } = fakeSite(accepted);
  const submitted = await submit(parts, submission);
  expect(submitted).toMatchObject({
    kind: 'accepted',
    isQueued: true,
    left: 9,
    transaction: { stamp: 7000 },
  });
  expect(calls).toEqual({ redis: 1, queue: 1 });
  expect(sent).toEqual([expect.stringContaining('"stamp":7000')]);
  expect(metrics).toEqual([]);
});

it.each(['fails', 'does not answer'] as const)(
  'submit reports that only Redis has the transaction when the queue %s',
  async (queue) => {
    const { parts, metrics } = fakeSite(accepted, queue);
    expect(await submit(parts, { ...submission, answerBy: 2000 })).toMatchObject({
      kind: 'accepted',
      isQueued: false,
    });
    expect(metrics).toEqual(['StoredInRedisAlone']);
  },
);

it('submit sends no copy of a repeated transaction', async () => {
  const { parts, calls } = fakeSite({ replayed: true, patch: '{"a":1}', base: false, status: 201 });
  expect(await submit(parts, submission)).toMatchObject({ kind: 'repeated', patch: '{"a":1}', status: 201 });
  expect(calls.queue).toBe(0);
});

it('submit sends no copy of a transaction that Redis refuses', async () => {
  const { parts, calls } = fakeSite({ refused: 'taken', left: 3 });
  expect(await submit(parts, submission)).toMatchObject({ kind: 'refused', code: 'taken', left: 3 });
  expect(calls.queue).toBe(0);
});

it('submit refuses a transaction too large for SQS before it calls Redis', async () => {
  const { parts, calls } = fakeSite(accepted);
  const transaction = transactionOf('x'.repeat(maxMessageBytes));
  expect(await submit(parts, { ...submission, transaction })).toMatchObject({
    kind: 'refused',
    code: 'too_large',
  });
  expect(calls).toEqual({ redis: 0, queue: 0 });
});

/** For each obstacle: the answer of Redis, the metric, and the outcome where the queue alone must not hold the transaction. */
const obstacles: Readonly<Record<Obstacle, readonly [Answer, string, RefusalCode | 'throws']>> = {
  unreachable: [new RedisUnreachable('no answer'), 'RedisUnreachable', 'not_acknowledged'],
  unable: [new RedisError('OOM command not allowed'), 'RedisCannotTake', 'not_acknowledged'],
  full: [{ refused: 'full' }, 'RedisCannotTake', 'no_room'],
  users_missing: [{ refused: 'users_missing' }, 'RedisCannotTake', 'no_room'],
  defect: [new RedisError('ERR user_script:12: a script that fails'), 'BufferDefect', 'throws'],
};

const cases = (Object.keys(obstacles) as Obstacle[]).map(
  (obstacle) => [obstacle, ...obstacles[obstacle]] as const,
);

it.each(cases)(
  'submit counts the obstacle %s, and stores in the queue alone only where that is allowed',
  async (obstacle, answer, metric, code) => {
    const refusing = fakeSite(answer);
    const submitted = submit(refusing.parts, submission);
    if (code === 'throws') await expect(submitted).rejects.toThrow('defect');
    else expect(await submitted).toMatchObject({ kind: 'refused', code });
    expect(refusing.calls.queue).toBe(0);
    expect(refusing.metrics).toEqual([metric]);

    const passing = fakeSite(answer);
    const queueAloneIf = [obstacle];
    expect(await submit(passing.parts, { ...submission, queueAloneIf })).toMatchObject({
      kind: 'queuedOnly',
      obstacle,
    });
    expect(passing.sent).toHaveLength(1);
    expect(passing.metrics).toEqual([metric, 'StoredInSqsAlone']);

    const neither = fakeSite(answer, 'fails');
    expect(await submit(neither.parts, { ...submission, queueAloneIf })).toMatchObject({
      code: 'not_acknowledged',
    });
  },
);

it.each(['not JSON', '{"unheard":"of"}'])(
  'submit treats the answer %s as a defect, not as an unreachable Redis',
  async (answer) => {
    const { parts, metrics } = fakeSite(answer);
    await expect(submit(parts, submission)).rejects.toThrow('defect');
    expect(metrics).toEqual(['BufferDefect']);
  },
);

/** Status, code and `recorded` of the problem for every refusal. */
const problems: Readonly<Record<RefusalCode, readonly [number, string, (boolean | null)?]>> = {
  unauthorized: [401, 'not-authenticated'],
  forbidden: [403, 'not-permitted'],
  too_many: [429, 'too-many-requests'],
  too_large: [413, 'body-too-large'],
  key_reused: [422, 'idempotency-key-reused'],
  taken: [409, 'id-taken'],
  finished: [409, 'already-finished'],
  before_start: [400, 'invalid-request'],
  refused_before: [409, 'refused-before'],
  discarded_before: [409, 'discarded-before'],
  no_room: [503, 'temporarily-unavailable', false],
  not_acknowledged: [503, 'not-acknowledged', null],
};

it.each(Object.entries(problems) as [RefusalCode, (typeof problems)[RefusalCode]][])(
  'problemOf(%s) has the status, the code and an instruction',
  (code, [status, problemCode, recorded]) => {
    const wording = { nothing: 'Nothing was recorded.', unknown: 'Repeat it.' };
    const { problem, headers } = problemOf({ kind: 'refused', code, detail: 'the detail' }, wording);
    expect(problem).toMatchObject({ status, code: problemCode });
    expect(problem.recorded).toBe(recorded);
    expect('Retry-After' in headers).toBe(status === 429 || status === 503);
    if (status !== 401) expect(problem.detail).toMatch(/othing was recorded|Repeat/);
  },
);

it('submit puts the id of its request into the transaction and its copy', async () => {
  const site = fakeSite({ accepted: true, stamp: '1000000', patch: '{}', base: false, status: 200 });
  const submitted = await withIds({ request_id: 'request-7' }, () => submit(site.parts, submission));
  expect(submitted).toMatchObject({ transaction: { request_id: 'request-7' } });
  expect(site.sent.join()).toContain('"request_id":"request-7"');
});
