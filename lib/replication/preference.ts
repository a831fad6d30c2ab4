/** Which replica a read asks first: the nearest one that is not behind what was seen elsewhere, and none that hangs. */
import { isTimeout } from '../postgres/failure.ts';
import { replayedLsn } from './position.ts';
import type { Replica } from './replicas.ts';

/** Positions are compared so often at most, beside the reads. */
const lookEveryMilliseconds = 250;
/** A look that is older is waited for: a function that was frozen knows nothing. */
const staleMilliseconds = 2000;
/** A replica that hangs is asked again after this, by one read. */
const hangMilliseconds = 2000;

interface Memory {
  /** as last seen */
  position: bigint | undefined;
  /** until then only one read asks (ms, monotonic) */
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

/** A read got no answer from it in time. Any other failure costs nothing to meet again. */
export function noteFailure(replica: Replica, error: unknown): void {
  if (isTimeout(error)) memoryOf(replica).hangsUntil = performance.now() + hangMilliseconds;
}

export function noteAnswer(replica: Replica, position: bigint | undefined): void {
  const memory = memoryOf(replica);
  memory.hangsUntil = 0;
  memory.position = position;
}

/** Of all replicas that are read together. */
interface Look {
  at: number;
  /** the most advanced position that it saw */
  seen: bigint;
  /** the most advanced position of the look before: a moment's lag is none */
  wanted: bigint;
  running: Promise<void> | undefined;
}

const looks = new WeakMap<readonly Replica[], Look>();

/**
 * Replicas in the order in which a read shall ask them, without those that are known to hang.
 * @param replicas nearest first
 */
export async function inOrder(replicas: readonly Replica[]): Promise<readonly Replica[]> {
  const now = performance.now();
  if (replicas.length === 1) return replicas.filter((each) => mayAsk(each, now));
  const look = looks.get(replicas) ?? { at: -Infinity, seen: 0n, wanted: 0n, running: undefined };
  looks.set(replicas, look);
  const age = now - look.at;
  if (age > lookEveryMilliseconds) look.running ??= compare(replicas, look);
  if (age > staleMilliseconds) await look.running;
  const positionOf = (each: Replica) => memoryOf(each).position ?? -1n;
  const isBehind = (each: Replica) => Number(positionOf(each) < look.wanted);
  const present = replicas.filter((each) => mayAsk(each, now));
  // a sort is stable: nearest first among equals
  return present.sort(
    (a, b) => isBehind(a) - isBehind(b) || (isBehind(a) === 0 ? 0 : Number(positionOf(b) - positionOf(a))),
  );
}

/** One read asks a hanging replica again; the others go on as if it still hung. */
function mayAsk(replica: Replica, now: number): boolean {
  const memory = memoryOf(replica);
  if (memory.hangsUntil === 0) return true;
  if (memory.hangsUntil > now) return false;
  memory.hangsUntil = now + hangMilliseconds;
  return true;
}

async function compare(replicas: readonly Replica[], look: Look): Promise<void> {
  const isFirst = look.at === -Infinity;
  const asked = replicas.filter((each) => memoryOf(each).hangsUntil === 0);
  const positions = await Promise.all(
    asked.map(async (each) => (memoryOf(each).position = await replayedLsn(each.pool))),
  );
  const seen = positions.reduce<bigint>(
    (high, each) => (each !== undefined && each > high ? each : high),
    0n,
  );
  look.wanted = isFirst ? seen : look.seen;
  look.seen = seen;
  look.at = performance.now();
  look.running = undefined;
}
