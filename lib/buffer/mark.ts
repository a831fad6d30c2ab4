/** Writes the outcomes that main has recorded into the buffer. An older revision never replaces a newer one. */
import * as z from 'zod/mini';
import { streams } from '../change-feed/streams.ts';
import { markScript } from '../redis/generated/scripts.ts';
import type { InboxRow } from '../postgres/inbox.ts';
import { lifecycle, stateOfInbox } from '../transaction/lifecycle.ts';
import { aggregatesOf } from '../transaction/aggregates.ts';
import { aggregateKeys } from './aggregate-keys.ts';
import { writeReference } from './reference.ts';
import { repeatRefusals } from './states.ts';
import type { Site } from '../redis/site.ts';

const chunkSize = 200;

export interface Marked {
  /** number of transactions whose state has advanced */
  readonly marked: number;
  /**
   * ids of entries without a body, which Redis has lost. Until every replica has the row, the copy is the only place at the site
   * that has the body: restore the entry from it (`restoreEntry`) before deleting the copy.
   */
  readonly incomplete: readonly string[];
}

const markAnswer = z.tuple([z.int(), z.array(z.string())]);

/**
 * Marks the given inbox rows as recorded at `lsn`. Creates the entry of a transaction that Redis has lost.
 * @param lsn a position at or after the commits of the rows
 */
export async function mark(
  { redis, keys }: Site,
  rows: readonly InboxRow[],
  lsn: { readonly text: string; readonly value: bigint },
  nowMilliseconds: number,
): Promise<Marked> {
  let marked = 0;
  const incomplete: string[] = [];
  for (let from = 0; from < rows.length; from += chunkSize) {
    const chunk = rows.slice(from, from + chunkSize);
    const answer = await markScript(
      redis,
      [
        keys.pending,
        keys.inflight,
        keys.committed,
        keys.mainDown,
        keys.feed(streams.observations.stream),
        keys.setAside,
        keys.drained(Math.floor(nowMilliseconds / 10_000)),
        keys.overlaid,
        keys.overlaidByUnit,
        keys.overlaidUnknown,
        ...chunk.flatMap((row) => [keys.transaction(row.id), ...aggregateKeys(keys, row)]),
      ],
      [
        String(lsn.value),
        lsn.text,
        nowMilliseconds,
        streams.observations.wakes,
        JSON.stringify(chunk.map(markOf)),
      ],
    );
    const [count, ids] = markAnswer.parse(answer);
    marked += count;
    incomplete.push(...ids);
  }
  return { marked, incomplete };
}

function markOf(row: InboxRow) {
  const state = stateOfInbox(row);
  return {
    id: row.id,
    aggregates: aggregatesOf(row),
    reference: writeReference(row),
    revision: row.revision,
    attempts: row.attempts,
    outcome: row.outcome,
    is_applied: row.outcome === 'applied',
    is_refused: row.outcome === 'refused',
    is_abandoned: repeatRefusals[row.outcome] !== undefined,
    state,
    // the feed has no change for a discarded one; the entry makes its watchers read it again
    change: lifecycle[state].change ?? 'committed',
    reason: row.reason ?? '',
    records: JSON.stringify(row.recordIds),
    ...(row.waitsFor !== null && row.waitsFor !== 'retry' && { waits_for: row.waitsFor }),
    obs_unit_id: row.obsUnitId === null ? '' : String(row.obsUnitId),
  };
}
