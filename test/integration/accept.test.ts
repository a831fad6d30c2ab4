/** Answers and copies of the accept function, with a real or an unreachable Redis and a queue that only collects. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { identifyWrite } from '../../functions/accept/identify.ts';
import { record, type RecordParts } from '../../functions/accept/record.ts';
import { VerifiedTokens } from '../../functions/accept/verified-tokens.ts';
import { mark } from '../../lib/buffer/mark.ts';
import { readJsonBody } from '../../lib/http/json-body.ts';
import { ProblemError } from '../../lib/http/problem.ts';
import type { Request } from '../../lib/http/request.ts';
import { createLog } from '../../lib/observability/log.ts';
import { finishBody, startBody } from '../../lib/observation/executed-obs-unit.ts';
import { draftFinish, draftStart } from '../../lib/observation/record-executed-obs-unit.ts';
import type { InboxRow } from '../../lib/postgres/inbox.ts';
import { readTransactionsMessage } from '../../lib/queue/messages.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import type { Site } from '../../lib/redis/site.ts';

let redis: TestRedis;
let site: Site;
let sent: string[];
const keys = keysOf('ops');
const claimant = { kind: 'none', principalId: '7' } as const;
const startRoute = { operation: 'startExecutedObsUnit', access: 'write:observations' } as const;
const finishRoute = { operation: 'finishExecutedObsUnit', access: 'write:observations' } as const;
/** 2026-10-01T11:10:00.000Z */
const now = Date.UTC(2026, 9, 1, 11, 10);

beforeAll(async () => {
  redis = await startTestRedis();
  site = { redis: redis.client, keys };
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await redis.client.flushall();
  sent = [];
});

const parts = (client = redis.client): RecordParts => ({
  redis: client,
  keys,
  queue: {
    send: (body) => {
      sent.push(body);
      return Promise.resolve();
    },
  },
  verifiedTokens: new VerifiedTokens(),
  log: createLog('error', {}, () => undefined),
  answerBudgetMilliseconds: Infinity,
  limits: { budgetBytes: 1e9, requestsPerSecond: 1e6 },
  now: Date.now,
});
const unreachable = () => connectRedis({ url: 'http://127.0.0.1:1', token: 'none' });

interface Given {
  readonly text: string;
  readonly key?: string;
  readonly at?: number;
  readonly over?: RecordParts;
}

function requestOf({ text, key, at = now }: Given, route: Request['route'], params = {}) {
  return {
    ...{ route, path: '/', given: { params, query: {}, body: readJsonBody(text) }, cookies: [] },
    headers: key === undefined ? {} : { 'idempotency-key': key },
    ...{ requestId: 'r', sourceIp: '', receivedAt: at, replyHeaders: new Map<string, string>() },
  };
}

async function start(given: Given) {
  const request = requestOf(given, startRoute);
  const body = startBody.parse(request.given.body);
  const identity = identifyWrite(request, '7', body.id, new Uint8Array(20).fill(given.text.length));
  const heading = headingOf(identity, 'startExecutedObsUnit', given);
  return replyOf(
    record(given.over ?? parts(), request, claimant, identity, (clock) =>
      draftStart(body, body.id ?? identity.newRecordId, heading, clock),
    ),
  );
}

async function finish(id: string, given: Given) {
  const request = requestOf(given, finishRoute, { id });
  const body = finishBody.parse(request.given.body);
  const identity = identifyWrite(request, '7', undefined, new Uint8Array(20).fill(given.text.length));
  const heading = headingOf(identity, 'finishExecutedObsUnit', given);
  return replyOf(
    record(given.over ?? parts(), request, claimant, identity, (clock) =>
      draftFinish(body, id.toLowerCase(), heading, clock),
    ),
  );
}

function headingOf({ id, alias }: { id: string; alias?: string }, operation: string, { at = now }: Given) {
  return { id, ...(alias !== undefined && { alias }), stamp: at * 1000, principal: '7', operation };
}

async function replyOf(done: ReturnType<typeof record>) {
  const { status, headers = {}, body } = await done;
  return { status, headers, body: body as Record<string, unknown> };
}

async function refusalOf(done: Promise<unknown>) {
  const error: unknown = await done.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProblemError)) throw new Error('not refused', { cause: error });
  return error.problem;
}

function copies(): Transaction[] {
  return sent.map((body) => {
    const message = readTransactionsMessage(body);
    if (message.kind !== 'transaction') throw new Error('read as a wake-up');
    return message.transaction;
  });
}

describe('a repeated request', () => {
  it('gets the first answer, also in another spelling', async () => {
    const first = await start({
      text: '{"obs_unit_id":7,"start_time":"2026-10-01T11:00:00Z","metadata":{"id":5853498713190525696,"x":1.50}}',
      key: 'k',
    });
    const again = await start({
      text: '{"metadata":{"x":15e-1,"id":5853498713190525696},"start_time":"2026-10-01T08:00:00.000-03:00","obs_unit_id":7.0}',
      key: 'k',
      at: now + 5000,
    });
    expect(again).toMatchObject({ status: 201, headers: { 'Idempotency-Replayed': 'true' } });
    expect(JSON.stringify(again.body)).toBe(JSON.stringify(first.body));
    expect(JSON.stringify(first.body)).toContain('{"id":5853498713190525696,"x":1.50}');
    expect(sent).toHaveLength(1);
  });

  it('is refused when its key was used for another body', async () => {
    await start({ text: '{"obs_unit_id":7}', key: 'k' });
    const refusal = await refusalOf(start({ text: '{"obs_unit_id":8}', key: 'k' }));
    expect(refusal).toMatchObject({ status: 422, code: 'idempotency-key-reused' });
  });

  it('gets the current state of the record in a header', async () => {
    const { body } = await start({ text: '{"obs_unit_id":7}', key: 'k' });
    await mark(site, [rowOf(body)], { text: '0/10', value: 16n }, now);
    const again = await start({ text: '{"obs_unit_id":7}', key: 'k', at: now + 1 });
    expect(again.headers).toMatchObject({ 'Sync-State': 'committed', 'Idempotency-Replayed': 'true' });
    expect(again.body).toEqual(body);
    await finish(String(body.id), { text: '{}', at: now + 2 });
    const later = await start({ text: '{"obs_unit_id":7}', key: 'k', at: now + 3 });
    expect(later.headers['Sync-State']).toBe('buffered');
  });
});

describe('while Redis is unreachable,', () => {
  it('a repeatable start leaves its time open, and its copy is provisional', async () => {
    const over = parts(unreachable());
    const first = await start({ text: '{"obs_unit_id":7}', key: 'k', over });
    const again = await start({ text: '{"obs_unit_id":7}', key: 'k', at: now + 9, over });
    expect(first).toMatchObject({
      status: 201,
      body: {
        start_time: null,
        day_obs: null,
        sync: { state: 'buffered', stored_in: 'sqs', verified: false },
      },
    });
    expect(again.body).toEqual(first.body);
    const [one, other] = copies();
    expect(one).toMatchObject({
      provisional: true,
      steps: [{ filled: ['start_time'], values: { start_time: '2026-10-01T11:10:00.000000Z' } }],
    });
    expect(other).toMatchObject({ id: one?.id, aggregate: one?.aggregate, provisional: true });
  });

  it('a repeatable finish leaves its time open', async () => {
    const done = await finish('01980000-0000-7000-8000-00000000000a', {
      text: '{"status":"aborted"}',
      key: 'k',
      over: parts(unreachable()),
    });
    expect(done).toMatchObject({ status: 202, body: { status: 'aborted', end_time: null } });
    expect(copies()).toMatchObject([{ provisional: true, steps: [{ filled: ['end_time'] }] }]);
  });

  it.each([
    ['without a key', { text: '{"obs_unit_id":7}' }, '2026-10-01T11:10:00.000000Z', true],
    [
      'with its time given',
      { text: '{"obs_unit_id":7,"start_time":"2026-10-01T11:00:00Z"}', key: 'k' },
      '2026-10-01T11:00:00.000000Z',
      false,
    ],
  ])('a start %s gets its time at once', async (_which, given, start_time, isFilled) => {
    const { body } = await start({ ...given, over: parts(unreachable()) });
    expect(body).toMatchObject({ start_time, sync: { state: 'buffered', stored_in: 'sqs' } });
    expect(body.sync).not.toHaveProperty('verified');
    const [copy] = copies();
    expect(copy).not.toHaveProperty('provisional');
    expect(copy?.steps[0] !== undefined && 'filled' in copy.steps[0]).toBe(isFilled);
  });

  it('a repeat leaves the time open that main has recorded meanwhile from another clock', async () => {
    const { body } = await start({ text: '{"obs_unit_id":7}', key: 'k', over: parts(unreachable()) });
    await mark(site, [rowOf(body)], { text: '0/10', value: 16n }, now);
    const again = await start({ text: '{"obs_unit_id":7}', key: 'k', at: now + 60_000 });
    expect(again).toMatchObject({ status: 201, headers: { 'Sync-State': 'committed' } });
    expect(again.body).toMatchObject({ id: body.id, start_time: null, sync: { verified: false } });
  });
});

describe('an end time', () => {
  const started = async (start_time: string) => {
    const { body } = await start({ text: JSON.stringify({ obs_unit_id: 7, start_time }) });
    return String(body.id);
  };

  it('that is given is refused before the start, to the microsecond', async () => {
    const id = await started('2026-10-01T11:00:00.000400Z');
    const refusal = await refusalOf(finish(id, { text: '{"end_time":"2026-10-01T11:00:00.000399Z"}' }));
    expect(refusal).toMatchObject({ status: 400, errors: [{ path: 'end_time' }] });
    const done = await finish(id, { text: '{"end_time":"2026-10-01T11:00:00.000400Z"}' });
    expect(done).toMatchObject({ status: 200, body: { end_time: '2026-10-01T11:00:00.000400Z' } });
  });

  it('that is filled in is never before the start', async () => {
    const id = await started('2026-10-01T11:10:00.000001Z');
    const done = await finish(id, { text: '{}' });
    expect(done).toMatchObject({ status: 200, body: { end_time: '2026-10-01T11:10:00.000001Z' } });
    expect(copies().at(-1)).toMatchObject({
      steps: [{ filled: ['end_time'], values: { end_time: '2026-10-01T11:10:00.000001Z' } }],
    });
  });
});

it('a leap second is stored as the next second and marked', async () => {
  const { body } = await start({ text: '{"obs_unit_id":7,"start_time":"2016-12-31T23:59:60.25Z"}' });
  expect(body).toMatchObject({
    start_time: '2017-01-01T00:00:00.250000Z',
    day_obs: 20161231,
    leap_second: true,
  });
  expect((await finish(String(body.id), { text: '{}' })).body).toMatchObject({ leap_second: true });
});

it('a body is measured as stored, with its numbers written out', async () => {
  const grown = `{"obs_unit_id":7,"metadata":{"a":[${Array.from({ length: 6000 }, () => '1e200').join(',')}]}}`;
  expect(await refusalOf(start({ text: grown }))).toMatchObject({ status: 413, code: 'body-too-large' });
  expect(await redis.client.keys('*')).toEqual([]);
  expect(sent).toEqual([]);
});

function rowOf({ transaction_id, id }: Record<string, unknown>): InboxRow {
  return {
    ...{ id: String(transaction_id), aggregate: String(id), recordIds: [String(id)], stamp: now * 1000 },
    ...{ principal: '7', outcome: 'applied', parkedFor: null, overdue: false, reason: null, steps: null },
    ...{ waitsFor: null, obsUnitId: 7, attempts: 1, revision: 1, recordedAt: '', changedAt: '' },
  };
}
