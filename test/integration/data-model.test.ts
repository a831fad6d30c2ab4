/** The data model at main: its states compared with the tables in TypeScript, and the plain SQL that the database refuses. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { movedByOthers, type Transitions } from '../../lib/table/state-machines.ts';
import { bufferedTables, isTransition, tables, type BufferedTable } from '../../lib/table/tables.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { builder, start } from '../support/made-transactions.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';

let main: TestMain;
beforeAll(async () => {
  main = await startTestMain();
});
afterAll(() => main.stop());

interface Machine {
  readonly table: string;
  readonly column: string;
  readonly following: Transitions;
}

const machines: readonly Machine[] = [
  ...bufferedTables.map((table) => [table, tables[table].transitions ?? {}] as const),
  ...Object.entries(movedByOthers),
].flatMap(([table, columns]) =>
  Object.entries(columns).map(([column, following]) => ({ table, column, following })),
);

const cellsOf = ({ following }: Machine) => {
  const states = Object.keys(following);
  return states.flatMap((from) => states.map((to) => ({ from, to })));
};

const code = (error: unknown) => (error as { code?: string }).code;
const refusal = (sql: string, values: unknown[] = []) =>
  main.pool.query(sql, values).then(
    () => 'taken',
    (error: unknown) => code(error),
  );

async function one<Row extends object>(sql: string, values: unknown[] = []): Promise<Row> {
  const { rows } = await main.pool.query<Row>(sql, values);
  const [row] = rows;
  if (!row) throw new Error(`nothing: ${sql}`);
  return row;
}

const location = (type: string) =>
  one<{ id: number }>('select min(id) as id from data_location where location_type = $1', [type]);

async function insertPackage(values: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const id = randomUUID();
  const row = { id, name: `p-${id}`, ...values };
  await main.pool.query(
    `insert into raw_data_package (${Object.keys(row).join()}) select ${Object.keys(row)
      .map((column) => `r.${column}`)
      .join()} from jsonb_populate_record(null::raw_data_package, $1) r`,
    [row],
  );
  return id;
}

/** @returns the id of the copy */
async function insertCopy(
  parent: 'raw_data_package' | 'raw_data_file',
  of: string,
  place: string,
  isVerified = true,
): Promise<string> {
  const { id: locationId } = await location(place);
  const { id } = await one<{ id: string }>(
    `with c as (insert into physical_copy (type, data_location_id, verified_at)
      values ($1, $2, case when $3 then now() end) returning id)
    insert into ${parent}_physical_copy (id, ${parent}_id) select id, $4 from c returning id::text`,
    [parent, locationId, isVerified, of],
  );
  return id;
}

describe('states', () => {
  it.each(machines)(
    '$table $column: the database allows exactly the states of the table in TypeScript',
    async (machine) => {
      const { rows } = await main.pool.query<{ definition: string }>(
        `select pg_get_constraintdef(c.oid) as definition from pg_constraint c
      join pg_attribute a on a.attrelid = c.conrelid and c.conkey = array[a.attnum]
      where c.conrelid = $1::regclass and c.contype = 'c' and a.attname = $2`,
        [machine.table, machine.column],
      );
      const known = rows.flatMap(({ definition }) =>
        [...definition.matchAll(/'(\w+)'::text/g)].map(([, state]) => state),
      );
      expect(known.sort()).toEqual(Object.keys(machine.following).sort());
    },
  );

  const buffered = machines.filter(({ table }) => table in tables);

  it.each(buffered)(
    '$table $column: the processor allows exactly the transitions of the table in TypeScript',
    async (machine) => {
      const table = machine.table as BufferedTable;
      const { column } = machine;
      for (const { from, to } of cellsOf(machine)) {
        const id = randomUUID();
        if (table === 'executed_obs_unit')
          await applyTransactions(main.pool, [start(id, { status: from })], 900);
        else await insertPackage({ id, [column]: from === 'archived' ? 'waiting' : from });
        // with a verified copy in the archive, only the table decides
        if (table === 'raw_data_package') await insertCopy('raw_data_package', id, 'long_term_archive');
        if (from === 'archived') {
          await main.pool.query(
            "update raw_data_package set state = 'archived', field_stamps = '{}' where id = $1",
            [id],
          );
          await main.pool.query("update raw_data_package set field_stamps = '{}' where id = $1", [id]);
        }
        const move = builder(id)
          .update(table, id, { [column]: to })
          .build();
        const { rows } = await applyTransactions(main.pool, [move], 900);
        const isAllowed = isTransition(table, column, from, to);
        const { now } = await one<{ now: string }>(`select ${column} as now from ${table} where id = $1`, [
          id,
        ]);
        expect([from, to, rows[0]?.outcome, now]).toEqual([
          from,
          to,
          isAllowed ? 'applied' : 'refused',
          isAllowed ? to : from,
        ]);
      }
    },
  );

  it('plain SQL may make every transition that needs no archived copy', async () => {
    const unit = randomUUID();
    await applyTransactions(main.pool, [start(unit)], 900);
    const id = await insertPackage();
    for (const { from, to } of machines
      .filter(({ table, column }) => table === 'raw_data_package' && column === 'status')
      .flatMap(cellsOf)) {
      await main.pool.query('update raw_data_package set status = $2 where id = $1', [id, from]);
      expect(await refusal('update raw_data_package set status = $2 where id = $1', [id, to])).toBe('taken');
    }
    expect(await refusal("update executed_obs_unit set status = 'failed' where id = $1", [unit])).toBe(
      'taken',
    );
    expect(await refusal("update executed_obs_unit set status = 'running' where id = $1", [unit])).toBe(
      'taken',
    );
    expect(await refusal("update data_transfer set status = 'pending', retry_count = 9")).toBe('taken');
  });
});

describe('the archive: the database', () => {
  it('archives a package only with a verified copy at a long-term archive', async () => {
    const archive = (id: string) =>
      refusal("update raw_data_package set state = 'archived' where id = $1", [id]);
    const bare = await insertPackage();
    expect(await archive(bare)).toBe('OP002');
    await insertCopy('raw_data_package', bare, 'buffer');
    await insertCopy('raw_data_package', bare, 'long_term_archive', false);
    expect(await archive(bare)).toBe('OP002');
    const kept = await insertPackage();
    await insertCopy('raw_data_package', kept, 'long_term_archive');
    expect(await archive(kept)).toBe('taken');
    expect(
      await refusal("insert into raw_data_package (id, name, state) values ($1, 'x', 'archived')", [
        randomUUID(),
      ]),
    ).toBe('OP002');
  });

  it('accepts the state and the copy in either order within one transaction', async () => {
    const id = await insertPackage();
    const { id: place } = await location('long_term_archive');
    const sql = `begin; update raw_data_package set state = 'archived' where id = '${id}';
      with c as (insert into physical_copy (type, data_location_id, verified_at)
        values ('raw_data_package', ${place}, now()) returning id)
      insert into raw_data_package_physical_copy (id, raw_data_package_id) select id, '${id}' from c; commit`;
    expect(await refusal(sql)).toBe('taken');
  });

  it('keeps the last verified copy of an archived package', async () => {
    const id = await insertPackage();
    const copy = await insertCopy('raw_data_package', id, 'long_term_archive');
    await main.pool.query("update raw_data_package set state = 'archived' where id = $1", [id]);
    expect(await refusal("update physical_copy set status = 'deleted' where id = $1", [copy])).toBe('OP002');
    expect(await refusal('update physical_copy set verified_at = null where id = $1', [copy])).toBe('OP002');
    expect(await refusal('delete from physical_copy where id = $1', [copy])).toBe('OP002');
    expect(await refusal("update physical_copy set path = '/elsewhere' where id = $1", [copy])).toBe('taken');
  });

  it.each(['deletion_scheduled', 'deletion_in_progress', 'deleted'])(
    'lets a copy at its source become %s only once its package is archived with a verified copy',
    async (status) => {
      const id = await insertPackage();
      const file = randomUUID();
      await main.pool.query(
        "insert into raw_data_file (id, name, raw_data_package_id) values ($1, 'f', $2)",
        [file, id],
      );
      const copies = [
        await insertCopy('raw_data_package', id, 'source'),
        await insertCopy('raw_data_file', file, 'source'),
      ];
      const remove = (copy: string) =>
        refusal('update physical_copy set status = $2 where id = $1', [copy, status]);
      const elsewhere = await insertCopy('raw_data_package', id, 'buffer');
      expect(await remove(elsewhere)).toBe('taken');
      for (const copy of copies) expect(await remove(copy)).toBe('OP003');
      await insertCopy('raw_data_package', id, 'long_term_archive');
      for (const copy of copies) expect(await remove(copy)).toBe('OP003');
      await main.pool.query("update raw_data_package set state = 'archived' where id = $1", [id]);
      for (const copy of copies) expect(await remove(copy)).toBe('taken');
    },
  );

  it('makes the processor set aside a transaction that breaks a rule, and apply the others of its batch', async () => {
    const [bad, good] = [await insertPackage(), await insertPackage()];
    const moves = [bad, good].map((id) =>
      builder(id)
        .update('raw_data_package', id, { state: id === bad ? 'archived' : 'transferring' })
        .build(),
    );
    const { rows } = await applyTransactions(main.pool, moves, 900);
    const outcomes = new Map(rows.map((row) => [row.id, [row.outcome, row.parkedFor, row.reason]]));
    expect(outcomes.get(moves[0]?.id ?? '')).toEqual([
      'parked',
      'failed',
      expect.stringMatching(/not archived.*OP002/),
    ]);
    expect(outcomes.get(moves[1]?.id ?? '')?.[0]).toBe('applied');
  });
});

describe('places: the database', () => {
  it('requires a relay site on a relay route, and both locations on a custom route', async () => {
    const route = (columns: string, values: string) =>
      refusal(
        `insert into data_transfer_route (origin_site_id, destination_site_id, ${columns}) values (1, 2, ${values})`,
      );
    expect(await route('route_type', "'direct'")).toBe('taken');
    expect(await route('route_type', "'relay'")).toBe('23514');
    expect(await route('route_type, relay_site_id', "'relay', 3")).toBe('taken');
    expect(await route('route_type, origin_location_id', "'custom', 1")).toBe('23514');
    expect(await route('route_type, origin_location_id, destination_location_id', "'custom', 1, 2")).toBe(
      'taken',
    );
  });

  it('keeps names unique where users refer to rows by name', async () => {
    for (const sql of [
      "insert into data_location (site_id, name, location_type, storage_type) values (1, 'output_buffer', 'buffer', 'disk')",
      "insert into data_transfer_route (name, origin_site_id, destination_site_id, route_type) values ('chajnantor_to_cologne', 1, 2, 'direct')",
      "insert into observing_program (short_name, name) values ('GEco', 'again')",
      "insert into source (type, name) values ('fixed', 'Orion A')",
      "insert into sub_observing_program (observing_program_id, short_name, name) values (3, 'GEco-MC', 'again')",
    ]) {
      expect(await refusal(sql)).toBe('23505');
    }
  });

  it('allows one copy of a package per location, apart from deleted ones', async () => {
    const id = await insertPackage();
    const first = await insertCopy('raw_data_package', id, 'buffer');
    await expect(insertCopy('raw_data_package', id, 'buffer')).rejects.toMatchObject({ code: '23505' });
    await main.pool.query("update physical_copy set status = 'deleted' where id = $1", [first]);
    await expect(insertCopy('raw_data_package', id, 'buffer')).resolves.toBeDefined();
  });

  it('records a copy of each new file at the source location that it names', async () => {
    const unit = randomUUID();
    const { id: place } = await location('source');
    const made = builder(unit);
    const values = {
      executed_obs_unit_id: unit,
      source_location_id: place,
      name: 'f',
      relative_path: 'a/f',
      size_bytes: 7,
    };
    const ids = made.bulkCreate('raw_data_file', [values, values]);
    await applyTransactions(main.pool, [start(unit), made.build()], 900);
    const { rows } = await main.pool.query(
      `select copy_of, status, path, size_bytes::integer from physical_copy where copy_of = any ($1) and data_location_id = $2`,
      [ids, place],
    );
    expect(rows).toEqual(
      expect.arrayContaining(
        ids.map((id) => ({ copy_of: id, status: 'present', path: 'a/f', size_bytes: 7 })),
      ),
    );
  });
});

describe('a change by plain SQL', () => {
  it('is kept with the columns that changed', async () => {
    const id = await insertPackage();
    await main.pool.query(
      "update raw_data_package set status = 'failed', failure_error_message = 'tar' where id = $1",
      [id],
    );
    await main.pool.query('delete from raw_data_package where id = $1', [id]);
    const { rows } = await main.pool.query(
      `select before - 'created_at' as before, after from row_change where table_name = 'raw_data_package' and row_id = $1 order by id`,
      [id],
    );
    expect(rows[0]).toEqual({
      before: { status: 'pending', failure_error_message: null },
      after: { status: 'failed', failure_error_message: 'tar' },
    });
    expect(rows[1]).toMatchObject({ before: { id, status: 'failed' }, after: null });
  });

  it('to a row that belongs to an executed unit is announced as a change of that unit', async () => {
    const [unit, other] = [randomUUID(), randomUUID()];
    await applyTransactions(main.pool, [start(unit), start(other)], 900);
    const announced = async (sql: string, values: unknown[]) => {
      const { last } = await one<{ last: string }>(
        'select coalesce(max(id), 0)::text as last from change_outbox',
      );
      await main.pool.query(sql, values);
      const { rows } = await main.pool.query<{ row_id: string }>(
        "select row_id from change_outbox where id > $1 and table_name = 'executed_obs_unit' order by row_id",
        [last],
      );
      return rows.map(({ row_id }) => row_id);
    };
    const file = randomUUID();
    expect(
      await announced("insert into raw_data_file (id, name, executed_obs_unit_id) values ($1, 'f', $2)", [
        file,
        unit,
      ]),
    ).toEqual([unit]);
    expect(
      await announced('update raw_data_file set executed_obs_unit_id = $2 where id = $1', [file, other]),
    ).toEqual([unit, other].sort());
    expect(await announced('delete from raw_data_file where id = $1', [file])).toEqual([other]);
    expect(
      await announced(
        "insert into observation_note (id, executed_obs_unit_id, at, author, text) values ($1, $2, now(), '1', 'fog')",
        [randomUUID(), unit],
      ),
    ).toEqual([unit]);
  });

  it('is kept unless the processor made it', async () => {
    const unit = randomUUID();
    const { n: before } = await one<{ n: string }>('select count(*) as n from row_change');
    await applyTransactions(
      main.pool,
      [start(unit), builder(unit).update('executed_obs_unit', unit, { quality: 'good' }).build()],
      900,
    );
    expect((await one<{ n: string }>('select count(*) as n from row_change')).n).toBe(before);
  });
});

it('the processor announces each package that it records to clients that watch the counts', async () => {
  const unit = randomUUID();
  const made = builder(unit);
  made.create('raw_data_package', { executed_obs_unit_id: unit, name: 'p' });
  const { last } = await one<{ last: string }>(
    'select coalesce(max(id), 0)::text as last from change_outbox',
  );
  await applyTransactions(main.pool, [start(unit), made.build()], 900);
  const { rows } = await main.pool.query('select table_name from change_outbox where id > $1', [last]);
  expect(rows).toEqual([{ table_name: 'raw_data_package' }]);
});
