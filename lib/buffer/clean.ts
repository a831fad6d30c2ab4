/** Cleans what every replica has: from then on the database alone answers. */
import * as z from 'zod/mini';
import { streams } from '../change-feed/streams.ts';
import { cleanScript, reviveScript } from '../redis/generated/scripts.ts';
import { writeReference, type Reference } from './reference.ts';
import { revivedStates, stateFlags } from './states.ts';
import type { Site } from '../redis/site.ts';

/** How long it is remembered what became of a transaction, and what is known of a record: two weeks. */
const rememberSeconds = 14 * 24 * 3600;

const chunkSize = 200;

/** What the replicas have proved: a transaction, at least at this revision, is in every one's inbox. */
export interface Proof {
  readonly reference: Reference;
  readonly revision: number;
}

/** @returns how many were cleaned */
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
        keys.setAside,
        ...chunk.flatMap(({ reference: { id, aggregate } }) => [
          keys.transaction(id),
          keys.overlay(aggregate),
          keys.record(aggregate),
        ]),
      ],
      [
        rememberSeconds,
        nowMilliseconds,
        streams.observations.wakes,
        JSON.stringify(
          chunk.map(({ reference, revision }) => ({
            id: reference.id,
            aggregate: reference.aggregate,
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
  'Main lost this commit, and the site has no copy of it left. If it was recorded nowhere else, record it again.';

export interface Revived {
  /** put back to pending */
  readonly revived: number;
  /** ids of those of which nothing is left to be executed: they read as failed, with the reason */
  readonly lost: readonly string[];
}

const reviveAnswer = z.tuple([z.int(), z.array(z.string())]);

/** Puts transactions back to pending: main has lost their commits, so they are executed anew. None is dropped silently. */
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
      ...references.flatMap(({ id, aggregate }) => [keys.transaction(id), keys.overlay(aggregate)]),
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
