/** The data of a large observatory, inserted by plain SQL with all triggers enabled. */
import type { Pool } from '../../lib/postgres/connect.ts';

const slices = 10;
const slice = 100_000;
/** Rows of each of executed units, packages and transfers. */
export const largeRows = slices * slice;
export const largePrograms = { dense: 'LARGE', sparse: 'RARE' } as const;

const planned = `
  insert into observing_program (short_name, name) values ('LARGE', 'Many units, all observed'), ('RARE', 'Many units, hardly observed');
  insert into obs_unit (id, observing_program_id, source_id, instrument_id, name)
    select 1000 + n, (select id from observing_program where short_name = 'LARGE'), 1 + n % 8, 1 + n % 3, format('large %s', n)
    from generate_series(0, 99999) n;
  insert into obs_unit (id, observing_program_id, source_id, instrument_id, name)
    select 200000 + n, (select id from observing_program where short_name = 'RARE'), 1 + n % 8, 1 + n % 3, format('rare %s', n)
    from generate_series(0, 99999) n;`;

/** $1 is the first number of the slice, $2 its size. One start per minute; the oldest few belong to the sparse program. */
const rows = [
  `insert into executed_obs_unit (id, obs_unit_id, status, start_time, end_time, instrument_module_ids, metadata)
    select md5('unit ' || n)::uuid, case when n < 5 then 200000 + n when n % 10 = 0 then 1 + n % 300 else 1000 + n % 100000 end,
      'completed', timestamptz '2024-01-01Z' + n * interval '1 minute', timestamptz '2024-01-01 00:00:50Z' + n * interval '1 minute',
      array[1 + n % 7], jsonb_build_object('patch', 'South field', 'n', n)
    from generate_series($1::integer, $1::integer + $2::integer - 1) n`,
  `insert into raw_data_package (id, executed_obs_unit_id, instrument_module_id, name, size_bytes, state, status)
    select md5('package ' || n)::uuid, md5('unit ' || n)::uuid, 1 + n % 7, format('large-%s', n), 10000000000 + n,
      (array['waiting', 'transferring', 'archived', 'archived', 'failed'])[1 + n % 5], 'completed'
    from generate_series($1::integer, $1::integer + $2::integer - 1) n`,
  `insert into data_transfer (data_transfer_package_id, data_transfer_route_id, status)
    select 1 + n % 40, 1 + n % 2, (array['pending', 'scheduled', 'in_progress', 'completed', 'failed'])[1 + n % 5]
    from generate_series($1::integer, $1::integer + $2::integer - 1) n`,
];

export async function fillLarge(main: Pool): Promise<void> {
  await main.query(planned);
  // archived packages here have no copies
  await main.query('alter table raw_data_package disable trigger raw_data_package_archived_new');
  for (let n = 0; n < slices; n += 1) {
    for (const statement of rows) await main.query(statement, [n * slice, slice]);
  }
  await main.query('alter table raw_data_package enable trigger raw_data_package_archived_new');
  // relaying is measured by another benchmark
  await main.query('truncate change_outbox');
  await main.query('vacuum analyze');
}

/** Adds failed starts with numbers from `from` to `to`, spread evenly over the whole period. */
export async function parkMore(main: Pool, from: number, to: number): Promise<void> {
  await main.query(
    `insert into inbox (transaction_id, stamp, aggregate_id, operation, principal, record_ids, outcome, parked_for, reason,
        steps, obs_unit_id, start_time)
      select md5('parked ' || n)::uuid, extract(epoch from at) * 1000000, md5('parked unit ' || n)::uuid, 'startExecutedObsUnit',
        '1', array[md5('parked unit ' || n)::uuid], 'parked', 'failed', 'check constraint (SQLSTATE 23514)',
        jsonb_build_array(jsonb_build_object('kind', 'create', 'table', 'executed_obs_unit', 'id', md5('parked unit ' || n)::uuid,
          'values', jsonb_build_object('obs_unit_id', 1 + n % 300, 'status', 'running',
            'start_time', to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'end_time', null,
            'instrument_module_ids', '[]'::jsonb, 'metadata', '{}'::jsonb))),
        1 + n % 300, at
      from (
        select n, timestamptz '2024-01-01 00:00:30Z' + (n * 7919 % ${largeRows}) * interval '1 minute' as at
        from generate_series($1::integer, $2::integer - 1) n
      ) numbered`,
    [from, to],
  );
  await main.query('vacuum analyze inbox');
}
