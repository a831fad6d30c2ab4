/** Conditions on the planned unit of a record: its program, source and instrument. */
import * as z from 'zod/mini';
import type { UnitFilter } from '../observation/filter.ts';
import { noFloor, readFromReplica, type Replica } from '../replication/replicas.ts';

/** Column of `obs_unit` → the required id. */
export type PlannedUnits = Readonly<Record<string, number>>;

const named = [
  {
    by: 'program',
    column: 'observing_program_id',
    text: '(select id from observing_program where short_name = $1)',
  },
  { by: 'source', column: 'source_id', text: '(select id from source where name = $2)' },
  { by: 'instrument', column: 'instrument_id', text: '(select id from instrument where name = $3)' },
] as const;

/** Matches no row. */
const noId = -1;
const ids = z.tuple([z.record(z.string(), z.nullable(z.int()))]);

/**
 * Resolves the names in a filter to ids, so that Postgres plans the list for these values.
 * @returns undefined if the filter names none
 * @throws ReplicaUnavailable
 */
export async function readPlannedUnits(
  replicas: readonly Replica[],
  filter: UnitFilter,
): Promise<PlannedUnits | undefined> {
  const asked = named.filter(({ by }) => filter[by] !== undefined);
  if (asked.length === 0) return undefined;
  return readFromReplica(replicas, noFloor, async (database) => {
    const { rows } = await database.query({
      name: 'planned-units-by-name',
      text: `select ${named.map(({ column, text }) => `${text} as ${column}`).join(', ')}`,
      values: named.map(({ by }) => filter[by] ?? null),
    });
    const [found] = ids.parse(rows);
    return Object.fromEntries(asked.map(({ column }) => [column, found[column] ?? noId]));
  });
}
