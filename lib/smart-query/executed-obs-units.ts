/** Reads of executed units: the overlay first, then rows and inbox in one statement at a replica, then the merge. */
import * as z from 'zod/mini';
import { overlaidOfUnit, readOverlay, type Overlay } from '../buffer/overlay.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { Database } from '../postgres/connect.ts';
import { readInboxRow, type InboxRow } from '../postgres/inbox.ts';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import { readFromReplica, type Replica } from '../replication/replicas.ts';
import { mergeExecutedObsUnits, type Row } from './merge.ts';

export interface SmartQueryParts {
  readonly redis: Redis;
  readonly keys: Keys;
  /** nearest first */
  readonly replicas: readonly Replica[];
}

/**
 * One executed unit, or undefined.
 * @throws Unavailable
 */
export async function readExecutedObsUnit(
  parts: SmartQueryParts,
  id: string,
): Promise<ExecutedObsUnit | undefined> {
  return (await readExecutedObsUnits(parts, [id])).get(id);
}

/** Executed units by id, in one Redis round trip and one statement. */
export async function readExecutedObsUnits(
  parts: SmartQueryParts,
  ids: readonly string[],
): Promise<Map<string, ExecutedObsUnit>> {
  const overlay = await readOverlay(parts.redis, parts.keys, ids);
  return await readMerged(parts, overlay, (database) => selectByIds(database, ids, transactionIds(overlay)));
}

/** The executed units of a planned unit, newest first, at most `limit`. */
export async function listOfObsUnit(
  parts: SmartQueryParts,
  obsUnitId: number,
  limit: number,
): Promise<ExecutedObsUnit[]> {
  const overlaid = await overlaidOfUnit(parts.redis, parts.keys, obsUnitId);
  const overlay = await readOverlay(parts.redis, parts.keys, overlaid);
  // The overlay can take away or add at most what it names: so many more rows make the merged page whole.
  const merged = await readMerged(parts, overlay, (database) =>
    selectOfObsUnit(database, obsUnitId, overlaid, transactionIds(overlay), limit + overlaid.length),
  );
  return [...merged.values()]
    .filter((record) => record.obs_unit_id === obsUnitId)
    .sort(newestFirst)
    .slice(0, limit);
}

function newestFirst(a: ExecutedObsUnit, b: ExecutedObsUnit): number {
  const [left, right] = [a, b].map(({ start_time }) =>
    start_time === null ? -Infinity : Date.parse(start_time),
  );
  return (right ?? 0) - (left ?? 0) || (a.id < b.id ? 1 : -1);
}

function transactionIds(overlay: Overlay): string[] {
  return overlay.entries.map((entry) => entry.transaction.id);
}

interface Snapshot {
  readonly rows: readonly Row[];
  readonly inbox: readonly InboxRow[];
}

async function readMerged(
  parts: SmartQueryParts,
  overlay: Overlay,
  select: (database: Database) => Promise<Snapshot>,
): Promise<Map<string, ExecutedObsUnit>> {
  const { rows, inbox } = await readFromReplica(parts.replicas, overlay.floor, select);
  return mergeExecutedObsUnits(rows, overlay.entries, inbox);
}

const snapshot = z.object({ rows: z.array(z.looseObject({ id: z.string() })), inbox: z.array(z.unknown()) });

function readSnapshot(value: unknown): Snapshot {
  const { rows, inbox } = snapshot.parse(value);
  return { rows, inbox: inbox.map(readInboxRow) };
}

async function selectByIds(database: Database, ids: readonly string[], transactions: readonly string[]) {
  const { rows } = await database.query({
    name: 'executed-obs-units-by-id',
    text: `
      select
        coalesce((select jsonb_agg(to_jsonb(e)) from executed_obs_unit e where e.id = any ($1::uuid[])), '[]') as rows,
        coalesce((select jsonb_agg(to_jsonb(i)) from inbox i
          where i.transaction_id = any ($2::uuid[])
            or i.aggregate_id = any ($1::uuid[]) and i.outcome = 'parked'), '[]') as inbox`,
    values: [ids, transactions],
  });
  return readSnapshot(rows[0]);
}

async function selectOfObsUnit(
  database: Database,
  obsUnitId: number,
  overlaid: readonly string[],
  transactions: readonly string[],
  limit: number,
) {
  const { rows } = await database.query({
    name: 'executed-obs-units-of-unit',
    text: `
      with found as (
        (select e.* from executed_obs_unit e where e.obs_unit_id = $1 order by e.start_time desc, e.id desc limit $4)
        union
        select e.* from executed_obs_unit e where e.id = any ($2::uuid[])
      )
      select
        coalesce((select jsonb_agg(to_jsonb(f)) from found f), '[]') as rows,
        coalesce((select jsonb_agg(to_jsonb(i)) from inbox i
          where i.transaction_id = any ($3::uuid[])
            or i.outcome = 'parked' and (i.obs_unit_id = $1 or i.aggregate_id = any ($2::uuid[])
              or i.aggregate_id in (select id from found))), '[]') as inbox`,
    values: [obsUnitId, overlaid, transactions, limit],
  });
  return readSnapshot(rows[0]);
}
