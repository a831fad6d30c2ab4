/** Removes transactions from the buffer once every replica has them: reads then rely on the replicas alone. */
import * as z from 'zod/mini';
import { streams } from '../change-feed/streams.ts';
import { cleanScript, reviveScript } from '../redis/generated/scripts.ts';
import { aggregatesOf } from '../transaction/aggregates.ts';
import { aggregateKeys } from './aggregate-keys.ts';
import { writeReference, type Reference } from './reference.ts';
import { revivedStates, stateFlags } from './states.ts';
import type { Site } from '../redis/site.ts';

/** The outcome of a transaction and the `record` hash are kept for two weeks. */
const retentionSeconds = 14 * 24 * 3600;

const chunkSize = 200;

/** Every replica's inbox contains the transaction in this revision or a later one. */
export interface Proof {
  readonly reference: Reference;
  readonly revision: number;
}

/** @returns the number of transactions cleaned */
export async function clean(
  { redis, keys }: Site,
  proofs: readonly Proof[],
  nowMilliseconds: number,
): Promise<number> {
  let cleaned = 0;
  for (let from = 0; from < proofs.length; from += chunkSize) {
    const chunk = proofs.slice(from, from + chunkSize);
    const answer = await cleanScript(
      redis,
      [
        keys.committed,
        keys.stats,
        keys.floor,
        keys.feed(streams.observations.stream),
        keys.overlaid,
        keys.overlaidByUnit,
        keys.overlaidUnknown,
        keys.overlaidByRecord,
        keys.setAside,
        ...chunk.flatMap(({ reference }) => [
          keys.transaction(reference.id),
          ...aggregateKeys(keys, reference),
        ]),
      ],
      [
        retentionSeconds,
        nowMilliseconds,
        streams.observations.wakes,
        JSON.stringify(
          chunk.map(({ reference, revision }) => ({
            id: reference.id,
            aggregates: aggregatesOf(reference),
            reference: writeReference(reference),
            revision,
          })),
        ),
        stateFlags.committed_state,
        stateFlags.cleaned_state,
      ],
    );
    cleaned += z.int().parse(answer);
  }
  return cleaned;
}

const lostReason =
  'Main lost this commit and the site has no copy of it. Record the observation again unless you have stored it elsewhere.';

export interface Revived {
  /** number of transactions returned to pending */
  readonly revived: number;
  /** ids of transactions whose body is lost: they read as failed, with the reason */
  readonly lost: readonly string[];
}

const reviveAnswer = z.tuple([z.int(), z.array(z.string())]);

/** Returns transactions whose commits main has lost to pending, so that they are executed again. None is dropped silently. */
export async function revive(
  { redis, keys }: Site,
  references: readonly Reference[],
  nowMilliseconds: number,
): Promise<Revived> {
  if (references.length === 0) return { revived: 0, lost: [] };
  const answer = await reviveScript(
    redis,
    [
      keys.pending,
      keys.committed,
      keys.setAside,
      keys.feed(streams.observations.stream),
      ...references.flatMap((each) => [keys.transaction(each.id), ...aggregateKeys(keys, each)]),
    ],
    [
      JSON.stringify(references.map(writeReference)),
      lostReason,
      nowMilliseconds,
      streams.observations.wakes,
      JSON.stringify(revivedStates),
    ],
  );
  const [revived, lost] = reviveAnswer.parse(answer);
  return { revived, lost };
}
