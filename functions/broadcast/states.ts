/** The state channels. Each state is read outside the rounds, so that a slow read delays no other message. */
import { randomUUID } from 'node:crypto';
import * as z from 'zod/mini';
import { isAfter } from '../../lib/change-feed/position.ts';
import { isShared, stateKinds, streamOf, streams, type StateKind } from '../../lib/channels/channels.ts';
import type { Log } from '../../lib/observability/log.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';
import { stateReaders } from './channels/readers.ts';

export interface State {
  /** as it was sent to every subscriber */
  readonly json: string;
  readonly position: string;
}

interface Slot {
  state: State | undefined;
  /** when the last read began, epoch ms */
  readAt: number;
  isStale: boolean;
  isReading: boolean;
}

/** A state is read five times a second at most. */
const pauseMilliseconds = 200;
const failurePauseMilliseconds = 500;

export interface StatesParts extends SmartQueryParts {
  readonly log: Log;
  /** starts the next round */
  readonly wake: () => void;
}

export class States {
  readonly #parts: StatesParts;
  readonly #slots = Object.fromEntries(stateKinds.map((kind) => [kind, emptySlot()])) as Record<
    StateKind,
    Slot
  >;
  #changed = new Set<StateKind>();
  /** results of reads that began in an earlier generation are dropped */
  #generation = 0;

  constructor(parts: StatesParts) {
    this.#parts = parts;
  }

  /** Takes over the state that the last broadcaster sent to every subscriber. It may have changed since. */
  restore(kind: StateKind, state: State): void {
    this.#slots[kind].state = state;
    this.#slots[kind].isStale = true;
  }

  /** The state that every subscriber has or will get. */
  get(kind: StateKind): State | undefined {
    return this.#slots[kind].state;
  }

  /** The state, or undefined if it may have changed since it was read. */
  fresh(kind: StateKind): State | undefined {
    const { state, isStale } = this.#slots[kind];
    return isStale ? undefined : state;
  }

  /** Marks the state as possibly changed. */
  touch(kind: StateKind): void {
    this.#slots[kind].isStale = true;
  }

  clear(): void {
    this.#generation += 1;
    this.#changed.clear();
    for (const kind of stateKinds) Object.assign(this.#slots[kind], emptySlot());
  }

  /**
   * Starts reading a state if it may have changed and is not being read.
   * @param position of its stream: the result contains all changes up to it
   */
  refresh(kind: StateKind, position: string, nowMilliseconds: number): void {
    const slot = this.#slots[kind];
    const age = nowMilliseconds - slot.readAt;
    const { maxAgeMilliseconds = Infinity } = stateReaders[kind];
    const isDue = age >= (slot.isStale || !slot.state ? pauseMilliseconds : maxAgeMilliseconds);
    if (!isDue || slot.isReading) return;
    slot.isReading = true;
    slot.readAt = nowMilliseconds;
    slot.isStale = false;
    void this.#read(kind, slot, position, nowMilliseconds);
  }

  /** States that have changed since the last call. */
  changed(): readonly StateKind[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  async #read(kind: StateKind, slot: Slot, position: string, now: number): Promise<void> {
    const generation = this.#generation;
    try {
      const json = JSON.stringify(await stateReaders[kind].read(this.#parts, now));
      if (generation !== this.#generation) return;
      const before = slot.state;
      if (before?.json === json) {
        slot.state = { json, position: before.position };
      } else {
        // clients ignore an update at a position that they already have
        const isNew = isShared(streamOf({ kind })) && (!before || isAfter(position, before.position));
        slot.state = { json, position: isNew ? position : await append(this.#parts, kind) };
        if (before) this.#changed.add(kind);
      }
    } catch (error) {
      this.#parts.log.warn('reading a state failed; it is retried', { kind, error });
      slot.isStale = true;
      slot.readAt = now + failurePauseMilliseconds;
    } finally {
      if (generation === this.#generation) slot.isReading = false;
      this.#parts.wake();
    }
  }
}

function emptySlot(): Slot {
  return { state: undefined, readAt: 0, isStale: true, isReading: false };
}

/** Creates a position for a change that is not in a stream. */
async function append({ redis, keys }: SmartQueryParts, kind: StateKind): Promise<string> {
  const trim = { type: 'MAXLEN', threshold: 1000, comparison: '~' } as const;
  return z
    .string()
    .parse(
      await redis.xadd(keys.feed(streams[streamOf({ kind })].stream), '*', { id: randomUUID() }, { trim }),
    );
}
