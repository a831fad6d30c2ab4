/** The SQL for one slice of a list: its sources of records, each bounded, and how far each reaches. Pure. */
import type { OverlaidSlice } from '../buffer/overlay.ts';
import { maxPageSize, type UnitFilter } from '../observation/filter.ts';
import { isMoved } from '../postgres/indexes.ts';
import { instantOfMilliseconds } from '../values/instant.ts';
import { sortKeyOf } from '../values/database-instant.ts';
import type { PageKey } from './page-key.ts';
import type { PlannedUnits } from './planned-units.ts';
import { firstParameter, type Selection, type Source } from './snapshot.ts';

export interface SliceRequest {
  readonly filter: UnitFilter;
  readonly planned: PlannedUnits | undefined;
  readonly limit: number;
  readonly after: PageKey | undefined;
  /** of buffered records to read */
  readonly count: number;
}

/**
 * No source returns more rows. As a literal in the statement it tells the planner how few rows are needed: for a parameter the
 * planner assumes a tenth of the table, and never prefers the plan for any parameters to a new plan for each request.
 */
const mostRows = 2 * (maxPageSize + 1);

/**
 * Sources, each newest first and cut at its limit:
 * - rows of the replica that match;
 * - if the filter has a status, rows whose start or planned unit was changed by plain SQL: the index of the overlay may file
 *   them under the old values, so neither the first source nor the index finds a buffered change of their status;
 * - records with a parked transaction.
 *
 * The overlay removes at most one row per aggregate from the page, so the limit of rows grows by that many. The statement
 * contains only the conditions of the request, so that its plan fits them. With conditions on planned units it is planned for
 * its values each time.
 */
export function selectionOf(
  { filter, planned, limit, after }: SliceRequest,
  { aggregates, completeFrom }: Pick<OverlaidSlice, 'aggregates' | 'completeFrom'>,
): Selection {
  const values: unknown[] = [];
  const value = (given: unknown, type: string) => {
    values.push(given);
    return `$${firstParameter + values.length - 1}::${type}`;
  };
  const lowest = later(filter.from, completeFrom);
  const unit = filter.obsUnitId === undefined ? undefined : value(filter.obsUnitId, 'integer');
  const status = filter.status === undefined ? undefined : value(filter.status, 'text');
  const from = lowest === undefined ? undefined : value(lowest, 'timestamptz');
  const to = filter.to === undefined ? undefined : value(filter.to, 'timestamptz');
  const key = after && `(${value(after.start, 'timestamptz')}, ${value(after.id, 'uuid')})`;
  const plannedIds =
    planned && Object.entries(planned).map(([column, id]) => `u.${column} = ${value(id, 'integer')}`);
  const rowCount = value(limit + 1 + Math.min(aggregates.length, 1000), 'integer');
  // a start and a finish for each record
  const parkedCount = value(2 * (limit + 1), 'integer');

  // a statement that is planned for its values knows the limit
  const newest = (limit: string, text: string) =>
    plannedIds
      ? `${text} limit ${limit}`
      : `select * from (${text} limit ${mostRows}) newest order by start_time desc, id desc limit ${limit}`;
  const within = (alias: string, id: string) =>
    [
      unit && `${alias}.obs_unit_id = ${unit}`,
      from && `${alias}.start_time >= ${from}`,
      to && `${alias}.start_time < ${to}`,
      key && `(${alias}.start_time, ${alias}.${id}) < ${key}`,
    ].filter((each) => each !== undefined);
  const where = (conditions: readonly (string | undefined)[]) => {
    const given = conditions.filter((each) => each !== undefined);
    return given.length > 0 ? `where ${given.join(' and ')}` : '';
  };
  const joined = plannedIds ? 'join obs_unit u on u.id = e.obs_unit_id' : '';
  const rows: Source = {
    name: 'matching',
    limit: rowCount,
    text: newest(
      rowCount,
      `select e.* from executed_obs_unit e ${joined}
      ${where([...within('e', 'id'), status && `e.status = ${status}`, ...(plannedIds ?? [])])}
      order by e.start_time desc, e.id desc`,
    ),
  };
  // if there are more rows, the slice ends at the last one: older records need not be read
  const reached = (alias: string) =>
    `${alias}.start_time >= coalesce((select start_time from matching order by start_time desc, id desc
      offset ${rowCount} - 1 limit 1), '-infinity')`;
  const moved: Source = {
    name: 'moved',
    limit: rowCount,
    text: newest(
      rowCount,
      `select e.id, e.start_time from executed_obs_unit e ${joined}
      ${where([...within('e', 'id'), reached('e'), isMoved, ...(plannedIds ?? [])])}
      order by e.start_time desc, e.id desc`,
    ),
  };
  const ofPlanned = plannedIds && `(u.id is null or ${plannedIds.join(' and ')})`;
  const parked: Source = {
    name: 'parked',
    limit: parkedCount,
    text: newest(
      parkedCount,
      `select i.aggregate_id as id, i.start_time from inbox i ${plannedIds ? 'left join obs_unit u on u.id = i.obs_unit_id' : ''}
      ${where(["i.outcome = 'parked'", 'i.start_time is not null', reached('i'), ...within('i', 'aggregate_id'), ofPlanned])}
      order by i.start_time desc, i.aggregate_id desc`,
    ),
  };
  const name = ['list', unit && 'unit', status && 'status', from && 'from', to && 'to', key && 'key']
    .filter((each) => each !== undefined)
    .join('-');
  return {
    ...(!plannedIds && { name }),
    sources: [rows, ...(status ? [moved] : []), parked],
    ...(plannedIds && { plannedUnit: plannedIds.join(' and ') }),
    values,
  };
}

function later(from: string | undefined, milliseconds: number | undefined): string | undefined {
  if (milliseconds === undefined) return from;
  const other = instantOfMilliseconds(milliseconds);
  return from !== undefined && sortKeyOf(from) > sortKeyOf(other) ? from : other;
}
