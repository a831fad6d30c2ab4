/** Marks what main has said of transactions. Marks only go forward, and belong to a transaction, not to a record. */
import * as z from 'zod/mini';
import { streams } from '../change-feed/streams.ts';
import { markScript } from '../redis/generated/scripts.ts';
import type { InboxRow } from '../postgres/inbox.ts';
import { lifecycle, stateOfInbox } from '../transaction/lifecycle.ts';
import { givenUp } from './states.ts';
import type { Site } from '../redis/site.ts';

const chunkSize = 200;

export interface Marked {
  /** how many have gone forward */
  readonly marked: number;
  /**
   * ids of those whose entry has no body: Redis had forgotten them. Until every replica has the row the body is nowhere at the
   * site but in the copy, which must not go before it is back (see \`restore\`).
   */
  readonly lacking: readonly string[];
}

const markAnswer = z.tuple([z.int(), z.array(z.string())]);

/**
 * Marks the given inbox rows as recorded at `lsn`, making the entry of any that Redis has forgotten.
 * @param lsn a commit position at or after that of the rows
 */
export async function mark(
  { redis, keys }: Site,
  rows: readonly InboxRow[],
  lsn: { readonly text: string; readonly value: bigint },
  nowMilliseconds: number,
): Promise<Marked> {
  let marked = 0;
  const lacking: string[] = [];
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
        ...chunk.flatMap((row) => [
          keys.transaction(row.id),
          keys.overlay(row.aggregate),
          keys.record(row.aggregate),
        ]),
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
    lacking.push(...ids);
  }
  return { marked, lacking };
}

function markOf(row: InboxRow) {
  const state = stateOfInbox(row);
  return {
    id: row.id,
    aggregate: row.aggregate,
    reference: `${row.stamp}:${row.aggregate}:${row.id}`,
    revision: row.revision,
    attempts: row.attempts,
    outcome: row.outcome,
    is_applied: row.outcome === 'applied',
    is_refused: row.outcome === 'refused',
    is_given_up: givenUp[row.outcome] !== undefined,
    state,
    // a watcher of the transaction sees that it was given up
    change: lifecycle[state].change ?? 'committed',
    reason: row.reason ?? '',
    records: JSON.stringify(row.recordIds),
    obs_unit_id: row.obsUnitId === null ? '' : String(row.obsUnitId),
  };
}
