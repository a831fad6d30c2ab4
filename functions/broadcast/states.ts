/** The state channels: each state is read outside the rounds, so that a slow one delays no other message. */
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

/** A state at most five times a second. */
const pauseMilliseconds = 200;
const failurePauseMilliseconds = 500;

export interface StatesParts extends SmartQueryParts {
  readonly log: Log;
  /** something new is there for the next round */
  readonly wake: () => void;
}

export class States {
  readonly #parts: StatesParts;
  readonly #slots = Object.fromEntries(stateKinds.map((kind) => [kind, emptySlot()])) as Record<
    StateKind,
    Slot
  >;
  #changed = new Set<StateKind>();
  /** what was begun before a reset counts no more */
  #generation = 0;

  constructor(parts: StatesParts) {
    this.#parts = parts;
  }

  /** Takes over the state that the last broadcaster has sent to every subscriber; it may have changed since. */
  carry(kind: StateKind, state: State): void {
    this.#slots[kind].state = state;
    this.#slots[kind].isStale = true;
  }

  /** The state that every subscriber has, or is being sent. */
  get(kind: StateKind): State | undefined {
    return this.#slots[kind].state;
  }

  /** The state, if nothing says that it has changed since it was read. */
  fresh(kind: StateKind): State | undefined {
    const { state, isStale } = this.#slots[kind];
    return isStale ? undefined : state;
  }

  /** Something has changed. */
  touch(kind: StateKind): void {
    this.#slots[kind].isStale = true;
  }

  clear(): void {
    this.#generation += 1;
    this.#changed.clear();
    for (const kind of stateKinds) Object.assign(this.#slots[kind], emptySlot());
  }

  /**
   * Begins to read a state that is watched, if it may have changed and none is being read.
   * @param position of its stream: whatever was relayed up to there is in what is read now
   */
  refresh(kind: StateKind, position: string, nowMilliseconds: number): void {
    const slot = this.#slots[kind];
    const age = nowMilliseconds - slot.readAt;
    const { oldMilliseconds = Infinity } = stateReaders[kind];
    const isDue = age >= (slot.isStale || !slot.state ? pauseMilliseconds : oldMilliseconds);
    if (!isDue || slot.isReading) return;
    slot.isReading = true;
    slot.readAt = nowMilliseconds;
    slot.isStale = false;
    void this.#read(kind, slot, position, nowMilliseconds);
  }

  /** States that have changed since the last time. */
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
        // a client takes no update at a position that it has already
        const isNew = isShared(streamOf({ kind })) && (!before || isAfter(position, before.position));
        slot.state = { json, position: isNew ? position : await append(this.#parts, kind) };
        if (before) this.#changed.add(kind);
      }
    } catch (error) {
      this.#parts.log.warn('a state is read again', { kind, error });
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

/** A position of its own for a change that stands in no stream. */
async function append({ redis, keys }: SmartQueryParts, kind: StateKind): Promise<string> {
  const trim = { type: 'MAXLEN', threshold: 1000, comparison: '~' } as const;
  return z
    .string()
    .parse(
      await redis.xadd(keys.feed(streams[streamOf({ kind })].stream), '*', { id: randomUUID() }, { trim }),
    );
}
