/** Orders replicas for a read: the nearest that does not lag behind the others first, and none that hangs. */
import { isTimeout } from '../postgres/failure.ts';
import { replayedLsn } from './position.ts';
import type { Replica } from './replicas.ts';

/** Positions are compared at this interval, in parallel with reads. */
const compareEveryMilliseconds = 250;
/** If the last comparison is older, as after a freeze of the function, a read waits for a new one. */
const staleMilliseconds = 2000;
/** A hanging replica is tried again after this time, by one read. */
const hangMilliseconds = 2000;

interface Memory {
  /** last known position */
  position: bigint | undefined;
  /** reads skip the replica until then (ms, monotonic); 0 if it does not hang */
  hangsUntil: number;
}

const memories = new WeakMap<Replica, Memory>();

function memoryOf(replica: Replica): Memory {
  const known = memories.get(replica);
  if (known) return known;
  const made = { position: undefined, hangsUntil: 0 };
  memories.set(replica, made);
  return made;
}

/** Remembers a replica that did not answer in time. Other failures are fast, so trying again costs little. */
export function recordFailure(replica: Replica, error: unknown): void {
  if (isTimeout(error)) memoryOf(replica).hangsUntil = performance.now() + hangMilliseconds;
}

export function recordAnswer(replica: Replica, position: bigint | undefined): void {
  const memory = memoryOf(replica);
  memory.hangsUntil = 0;
  memory.position = position;
}

/** The last comparison of a list of replicas. */
interface Comparison {
  at: number;
  /** the most advanced position */
  highest: bigint;
  /** the most advanced position of the comparison before: a replica that has reached it does not lag */
  required: bigint;
  running: Promise<void> | undefined;
}

const comparisons = new WeakMap<readonly Replica[], Comparison>();

/**
 * Replicas in the order in which a read should try them, without those that hang.
 * @param replicas nearest first
 */
export async function inOrder(replicas: readonly Replica[]): Promise<readonly Replica[]> {
  const now = performance.now();
  if (replicas.length === 1) return replicas.filter((each) => mayAsk(each, now));
  const last = comparisons.get(replicas) ?? { at: -Infinity, highest: 0n, required: 0n, running: undefined };
  comparisons.set(replicas, last);
  const age = now - last.at;
  if (age > compareEveryMilliseconds) last.running ??= compare(replicas, last);
  if (age > staleMilliseconds) await last.running;
  const positionOf = (each: Replica) => memoryOf(each).position ?? -1n;
  const isLagging = (each: Replica) => Number(positionOf(each) < last.required);
  const present = replicas.filter((each) => mayAsk(each, now));
  // the sort is stable: nearest first among equals
  return present.sort(
    (a, b) => isLagging(a) - isLagging(b) || (isLagging(a) === 0 ? 0 : Number(positionOf(b) - positionOf(a))),
  );
}

/** Lets one read try a hanging replica again, while others keep skipping it. */
function mayAsk(replica: Replica, now: number): boolean {
  const memory = memoryOf(replica);
  if (memory.hangsUntil === 0) return true;
  if (memory.hangsUntil > now) return false;
  memory.hangsUntil = now + hangMilliseconds;
  return true;
}

async function compare(replicas: readonly Replica[], comparison: Comparison): Promise<void> {
  const isFirst = comparison.at === -Infinity;
  const responsive = replicas.filter((each) => memoryOf(each).hangsUntil === 0);
  const positions = await Promise.all(
    responsive.map(async (each) => (memoryOf(each).position = await replayedLsn(each.pool))),
  );
  const highest = positions.reduce<bigint>(
    (high, each) => (each !== undefined && each > high ? each : high),
    0n,
  );
  comparison.required = isFirst ? highest : comparison.highest;
  comparison.highest = highest;
  comparison.at = performance.now();
  comparison.running = undefined;
}
