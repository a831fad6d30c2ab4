/**
 * Confirming: what every replica's inbox contains is cleaned. The position says when to look; the row is the proof.
 */
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
  /** put back to pending: replayed past, but not there */
  readonly revived: number;
  /** ids of acknowledged transactions that main lost, and of which the site has no copy left */
  readonly lost: readonly string[];
  /** committed ones that are still to be seen at every replica */
  readonly remaining: number;
}

/** Looked up at once; the next round takes the next. */
const pageSize = 1000;

/** One check confirms everything at or below the slowest replica's position. */
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
    const gone = await clean(parts, proofs, nowMilliseconds);
    const back = await revive(
      parts,
      due.filter(({ id }) => !proved.has(id)),
      nowMilliseconds,
    );
    cleaned += gone;
    revived += back.revived;
    lost.push(...back.lost);
    if (due.length < pageSize || gone + back.revived + back.lost.length === 0) break;
  }
  return { cleaned, revived, lost, remaining: await redis.zcard(keys.committed) };
}

/** Writes the error line that an alarm reads: acknowledged transactions of which no store has the body. */
export function reportLost(log: Log, { lost }: Confirmed): void {
  if (lost.length === 0) return;
  log.error('main lost acknowledged transactions that the site no longer has', {
    metric: 'AcknowledgedLost',
    transactions: lost,
  });
}

/** @returns undefined if one of them cannot tell: unknown counts as behind */
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

/** @returns those that every replica has, at the lowest revision that any shows; undefined if one does not answer */
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
