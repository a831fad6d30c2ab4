/**
 * Every list with any filter equals the naive answer, page by page: over buffered, committed, parked and replicated records and
 * rows made or moved by plain SQL. The naive answer reads every record by its id and lets Postgres filter and sort them.
 */
import { createHash, randomUUID } from 'node:crypto';
import { fc, times } from '../support/property.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { settleByHand } from '../support/by-hand.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';
import {
  arbitraryQuery,
  arbitraryRecord,
  failingUnit,
  type ArbitraryRecord,
  type ListQuery,
} from './arbitrary-lists.ts';
import { applyAll, caughtUp, emptyObservatory } from './observatory.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ settings: { ANSWER_BUDGET_MS: 'always' } });
  await stack.quiesce();
  await stack.main.query(
    `alter table executed_obs_unit add constraint refused_by_test check (obs_unit_id <> ${failingUnit})`,
  );
});
afterAll(() => stack.stop());

it('every list with any filter equals the naive answer, page by page', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(arbitraryRecord, { minLength: 1, maxLength: 14 }),
      fc.array(arbitraryQuery, { minLength: 1, maxLength: 12 }),
      async (records, queries) => {
        const ids = await make(records);
        const byId = await Promise.all(ids.map(one));
        for (const query of queries) {
          const expected = await naive(byId, query);
          expect(await walk(query), JSON.stringify(query)).toEqual(expected);
        }
      },
    ),
    times(6),
  );
});

type Made = ArbitraryRecord & { readonly id: string };

/** @returns the ids of all records */
async function make(records: readonly ArbitraryRecord[]): Promise<string[]> {
  await emptyObservatory(stack);
  const made: Made[] = records.map((each) => ({ ...each, id: newId(each) }));
  const good: string[] = [];
  const phase = async (level: number) => {
    for (const each of made.filter(({ origin, start }) => origin === 'api' && start === level)) {
      await write('POST', 'start', { id: each.id, obs_unit_id: each.unit, start_time: each.at });
    }
    // a failure counts against its transaction only if others succeed
    good.push(randomUUID());
    await write('POST', 'start', {
      id: good.at(-1),
      obs_unit_id: 12,
      start_time: '2026-10-01T12:00:00.000001Z',
    });
    for (const each of made) {
      if (each.finish !== undefined && Math.max(each.finish, each.start) === level) {
        await write('PUT', `${each.id}/finish`, { status: each.status });
      }
    }
  };
  for (const { id, unit, odd, at } of made.filter(({ origin }) => origin === 'sql')) {
    await stack.main.query(
      "insert into executed_obs_unit (id, obs_unit_id, status, start_time) values ($1, $2, 'running', $3)",
      [id, unit, odd ?? at],
    );
  }
  await caughtUp(stack);
  await phase(0);
  await settleByHand(stack);
  for (const { id, move } of made) {
    if (move)
      await stack.main.query(`update executed_obs_unit set ${move.column} = $2 where id = $1`, [id, move.to]);
  }
  await caughtUp(stack);
  await stack.replica.query('select pg_wal_replay_pause()');
  await phase(1);
  await applyAll(stack);
  await phase(2);
  return [...made.map(({ id }) => id), ...good];
}

/** Other programs may use ids that are not valid UUID versions. */
function newId({ origin, isOddId }: ArbitraryRecord): string {
  const id = randomUUID();
  if (origin === 'api' || !isOddId) return id;
  const hash = createHash('md5').update(id).digest('hex');
  return hash.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

async function write(method: string, path: string, body: object): Promise<void> {
  const reply = await stack.api(`/executed_obs_units/${path}`, { method, body });
  expect(reply.status, `${path} ${JSON.stringify(body)}: ${JSON.stringify(reply.body)}`).toBeLessThan(300);
}

type Found = { readonly id: string; readonly start_time: string | null };

async function one(id: string): Promise<Found> {
  const { status, body } = await stack.api(`/executed_obs_units/${id}`);
  expect(status, `${id}: ${JSON.stringify(body)}`).toBe(200);
  return body as unknown as Found;
}

/** Filtered and sorted by Postgres. */
async function naive(byId: readonly Found[], query: ListQuery): Promise<readonly Found[]> {
  const { obs_unit_id, program, source, instrument, status, started_after, started_before, day_obs } = query;
  const { rows } = await stack.main.query<{ id: string }>(
    `select r.id from jsonb_to_recordset($1::jsonb) as r(id uuid, obs_unit_id integer, status text, start_time timestamptz)
       left join obs_unit u on u.id = r.obs_unit_id
       left join observing_program p on p.id = u.observing_program_id
       left join source s on s.id = u.source_id
       left join instrument i on i.id = u.instrument_id
     where r.start_time is not null
       and ($2::integer is null or r.obs_unit_id = $2) and ($3::text is null or p.short_name = $3)
       and ($4::text is null or s.name = $4) and ($5::text is null or i.name = $5)
       and ($6::text is null or r.status = $6)
       and ($7::timestamptz is null or r.start_time >= $7) and ($8::timestamptz is null or r.start_time < $8)
       and ($9::text is null or (r.start_time >= ($9 || 'T12:00:00Z')::timestamptz
         and r.start_time < ($9 || 'T12:00:00Z')::timestamptz + interval '24 hours'))
     order by r.start_time desc, r.id desc`,
    [
      JSON.stringify(byId),
      obs_unit_id,
      program,
      source,
      instrument,
      status,
      started_after,
      started_before,
      day_obs,
    ],
  );
  const records = new Map(byId.map((each) => [each.id, each]));
  return rows.map(({ id }) => records.get(id)).filter((each) => each !== undefined);
}

/** Every page, by following the Link header. */
async function walk({ isByPath, ...query }: ListQuery): Promise<readonly unknown[]> {
  const { obs_unit_id: unit, ...rest } = query;
  const given = isByPath ? { limit: query.limit } : rest;
  const parameters = new URLSearchParams(
    Object.entries(given).map(([name, value]): [string, string] => [name, String(value)]),
  );
  if (!isByPath && unit !== undefined) parameters.set('obs_unit_id', String(unit));
  let path: string | undefined = `/executed_obs_units${isByPath ? `/${unit}` : ''}?${parameters.toString()}`;
  const found: unknown[] = [];
  for (let pages = 0; path !== undefined; pages += 1) {
    const { status, headers, body } = await stack.api(path);
    expect(status, `${path}: ${JSON.stringify(body)}`).toBe(200);
    const records = body as unknown as unknown[];
    expect(records.length, path).toBeLessThanOrEqual(query.limit);
    found.push(...records);
    expect(pages, 'the list does not end').toBeLessThan(100);
    path = /<([^>]*)>; rel="next"/.exec(headers.get('Link') ?? '')?.[1];
  }
  return found;
}
