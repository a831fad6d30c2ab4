/**
 * In any batch of valid, poisonous, slow and locked transactions, every valid one is applied in a bounded number of calls.
 */
import { randomUUID } from 'node:crypto';
import { fc, times } from '../support/property.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { drain, type DrainParts } from '../../functions/process/drain.ts';
import { createLog } from '../../lib/observability/log.ts';
import { readTransactionsMessage, transactionMessage } from '../../lib/queue/messages.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import type { BufferedTable, Step, Transaction } from '../../lib/transaction/transaction.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';

let main: TestMain;
let redis: TestRedis;

/** The id of an existing row. */
const taken = randomUUID();

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
  // raises the error of a slow statement, a lock timeout or a foreign trigger
  await main.pool.query(`
    create function fail_as_asked() returns trigger language plpgsql as $$
    begin raise exception 'as asked' using errcode = new.metadata ->> 'sqlstate'; end $$;
    create trigger fail_as_asked before insert on executed_obs_unit
      for each row when (new.metadata ? 'sqlstate') execute function fail_as_asked()`);
  await main.pool.query(
    "insert into executed_obs_unit (id, obs_unit_id, status, start_time) values ($1, 1, 'running', now())",
    [taken],
  );
});
afterAll(() => Promise.all([main.stop(), redis.stop()]));

type Values = Record<string, unknown>;
const start: Values = {
  obs_unit_id: 7,
  status: 'running',
  start_time: '2026-10-01T00:00:00.000000Z',
  end_time: null,
};
const create = (id: string, values: Values, table = 'executed_obs_unit') =>
  ({ kind: 'create', table: table as BufferedTable, id, values }) as Step;

/** The steps of a transaction of the aggregate, by their fault. */
const sorts = {
  'an invalid time': (id: string) => [create(id, { ...start, start_time: 'soon' })],
  'a time that is too late': (id: string) => [create(id, { ...start, start_time: '300000-01-01T00:00:00Z' })],
  'an unknown status': (id: string) => [create(id, { ...start, status: 'odd' })],
  'a text instead of a number': (id: string) => [create(id, { ...start, obs_unit_id: 'x' })],
  'a number that is too large': (id: string) => [create(id, { ...start, obs_unit_id: 3e10 })],
  'a missing required value': (id: string) => [create(id, { ...start, obs_unit_id: null })],
  'an unknown planned unit': (id: string) => [create(id, { ...start, obs_unit_id: 4999 })],
  'an unknown column': (id: string) => [create(id, { ...start, colour: 'red' })],
  'an unknown table': (id: string) => [create(id, {}, 'no_table')],
  'an unknown step': (id: string) => [{ kind: 'dance', id } as unknown as Step],
  'an id that is taken': () => [create(taken, start)],
  'a NUL in a text': (id: string) => [create(id, { ...start, metadata: { text: 'a\0b' } })],
  'half a surrogate pair': (id: string) => [create(id, { ...start, metadata: { text: 'a\ud800' } })],
  'a package of a missing unit': (id: string) => [
    create(randomUUID(), { executed_obs_unit_id: id, name: 'p' }, 'raw_data_package'),
  ],
  'a slow statement': (id: string) => [create(id, { ...start, metadata: { sqlstate: '57014' } })],
  'a lock timeout': (id: string) => [create(id, { ...start, metadata: { sqlstate: '55P03' } })],
  'a foreign trigger': (id: string) => [create(id, { ...start, metadata: { sqlstate: 'P0001' } })],
} satisfies Record<string, (id: string) => Step[]>;
type Sort = keyof typeof sorts;

const callsAtMost = 6;

it('drain applies every valid transaction of any batch in a bounded number of calls', async () => {
  let count = 0;
  const item = fc.oneof(
    { weight: 3, arbitrary: fc.constant('good' as const) },
    { weight: 2, arbitrary: fc.constantFrom(...(Object.keys(sorts) as Sort[])) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 40 }), async (batch) => {
      const parts: DrainParts = {
        redis: redis.client,
        keys: keysOf(`mixture-${(count += 1)}`),
        main: main.pool,
        startWaitSeconds: 900,
        now: Date.now,
        log: createLog('error', {}, () => undefined),
      };
      const made = batch.map((sort, index) => ({ sort, ...transactionsOf(sort, index) }));
      const good = made.filter(({ sort }) => sort === 'good');
      await drainAll(parts, made.flatMap(readable), good);
      const { rows } = await main.pool.query<{ n: number }>(
        "select count(*)::integer as n from executed_obs_unit where id = any ($1) and status = 'completed'",
        [good.map(({ aggregate }) => aggregate)],
      );
      expect(rows).toEqual([{ n: good.length }]);
    }),
    {
      ...times(15),
      // these two would delay others if they were misclassified, so every seed includes them
      examples: [[['good', 'a slow statement', 'good', 'a lock timeout', 'good']]],
    },
  );
});

/** The transactions as read from messages, without the unreadable ones. */
function readable({ transactions }: Made): Transaction[] {
  return transactions.flatMap((each) => {
    try {
      const message = readTransactionsMessage(transactionMessage(each));
      return message.kind === 'transaction' ? [message.transaction] : [];
    } catch {
      return [];
    }
  });
}

interface Made {
  readonly aggregate: string;
  readonly transactions: readonly Transaction[];
}

/** A good unit is started and finished; the others are only started. */
function transactionsOf(sort: 'good' | Sort, index: number): Made {
  const aggregate = randomUUID();
  const stamp = 1_790_000_000_000_000 + index * 10;
  const heading = { aggregate, principal: '1', operation: 'test' };
  if (sort !== 'good') {
    const steps = sorts[sort](aggregate);
    return {
      aggregate,
      transactions: [{ version: 1, id: randomUUID(), stamp, ...heading, steps }],
    };
  }
  const begun = new TransactionBuilder({ ...heading, id: randomUUID(), stamp }, randomUUID);
  begun.create('executed_obs_unit', start as never, aggregate);
  const ended = new TransactionBuilder({ ...heading, id: randomUUID(), stamp: stamp + 1 }, randomUUID);
  const values = { status: 'completed', end_time: '2026-10-01T00:01:00.000000Z' };
  ended.update('executed_obs_unit', aggregate, values, { onlyIf: { status: 'running' }, given: ['status'] });
  return { aggregate, transactions: [ended.build(), begun.build()] };
}

/** Redelivers returned messages until all good transactions are recorded. */
async function drainAll(
  parts: DrainParts,
  all: readonly Transaction[],
  good: readonly Made[],
): Promise<void> {
  const wanted = new Set(good.flatMap(({ transactions }) => transactions.map(({ id }) => id)));
  let left = all;
  for (let calls = 0; left.some(({ id }) => wanted.has(id)); calls += 1) {
    expect(calls, `${left.length} of ${all.length} left`).toBeLessThan(callsAtMost);
    const now = Date.now();
    const { copies } = await drain(parts, left, {
      deadline: now + 4000,
      end: now + 13_000,
      always: calls > 0,
    });
    left = left.filter((_, index) => copies[index] !== 'recorded');
  }
}
