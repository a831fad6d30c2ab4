/** Cleans transactions that are in every replica's inbox. The LSN tells when to check; the inbox row is the proof. */
import * as z from 'zod/mini';
import { clean, revive, type Proof } from '../buffer/clean.ts';
import { readReference, type Reference } from '../buffer/reference.ts';
import type { Log } from '../observability/log.ts';
import { findInInbox } from '../postgres/inbox.ts';
import { replayedLsn, type Replica } from './replicas.ts';
import type { Site } from '../redis/site.ts';

export interface ConfirmParts extends Site {
  readonly replicas: readonly Replica[];
}

export interface Confirmed {
  readonly cleaned: number;
  /** returned to pending: the replicas have replayed past the commit but do not have the row */
  readonly revived: number;
  /** ids of acknowledged transactions that main has lost and of which the site has no copy */
  readonly lost: readonly string[];
  /** committed transactions that some replica does not have yet */
  readonly remaining: number;
}

/** Transactions per round. */
const pageSize = 1000;

/** Confirms all transactions up to the position of the slowest replica. */
export async function confirm(parts: ConfirmParts, nowMilliseconds: number): Promise<Confirmed> {
  const { redis, keys } = parts;
  const watermark = await slowestReplayed(parts.replicas);
  let cleaned = 0;
  let revived = 0;
  const lost: string[] = [];
  while (watermark !== undefined) {
    const due = await committedUpTo(parts, watermark);
    const proofs = await prove(parts.replicas, due);
    if (proofs === undefined) break;
    const proved = new Set(proofs.map(({ reference }) => reference.id));
    const confirmed = await clean(parts, proofs, nowMilliseconds);
    const back = await revive(
      parts,
      due.filter(({ id }) => !proved.has(id)),
      nowMilliseconds,
    );
    cleaned += confirmed;
    revived += back.revived;
    lost.push(...back.lost);
    if (due.length < pageSize || confirmed + back.revived + back.lost.length === 0) break;
  }
  return { cleaned, revived, lost, remaining: await redis.zcard(keys.committed) };
}

/** Logs lost acknowledged transactions as an error, which raises an alarm. */
export function reportLost(log: Log, { lost }: Confirmed): void {
  if (lost.length === 0) return;
  log.error('main lost acknowledged transactions that the site no longer has', {
    metric: 'AcknowledgedLost',
    transactions: lost,
  });
}

/** @returns undefined if the position of one is unknown, so that nothing can be confirmed */
async function slowestReplayed(replicas: readonly Replica[]): Promise<bigint | undefined> {
  const positions = await Promise.all(replicas.map(({ pool }) => replayedLsn(pool)));
  return positions.reduce((slowest, each) =>
    slowest === undefined || each === undefined ? undefined : each < slowest ? each : slowest,
  );
}

async function committedUpTo({ redis, keys }: Site, watermark: bigint): Promise<Reference[]> {
  const members = await redis.zrange(keys.committed, '-inf', Number(watermark), {
    byScore: true,
    offset: 0,
    count: pageSize,
  });
  return z.array(z.string()).parse(members).map(readReference);
}

/** @returns transactions that every replica has, with the lowest revision among replicas; undefined if one does not answer */
async function prove(replicas: readonly Replica[], due: readonly Reference[]): Promise<Proof[] | undefined> {
  if (due.length === 0) return [];
  const ids = due.map(({ id }) => id);
  try {
    const seen = await Promise.all(replicas.map(({ pool }) => findInInbox(pool, ids)));
    return due.flatMap((reference) => {
      const revisions = seen.map((inbox) => inbox.get(reference.id));
      const lowest = revisions.reduce((low, each) =>
        low === undefined || each === undefined ? undefined : Math.min(low, each),
      );
      return lowest === undefined ? [] : [{ reference, revision: lowest }];
    });
  } catch {
    return undefined;
  }
}
