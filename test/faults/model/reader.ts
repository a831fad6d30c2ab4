/** Reads as clients do, while the system moves, and holds each answer against what the model foresees. */
import { expect } from 'vitest';
import type { ExecutedObsUnit } from '../../../lib/observation/executed-obs-unit.ts';
import { ReplicaUnavailable } from '../../../lib/replication/errors.ts';
import { readExecutedObsUnits } from '../../../lib/smart-query/executed-obs-units.ts';
import { listExecutedObsUnits, type PageKey } from '../../../lib/smart-query/list-executed-obs-units.ts';
import type { Command, Move } from './history.ts';
import type { Model, View } from './model.ts';
import type { SnapshotReplica } from './snapshot-replica.ts';
import type { System, World } from './system.ts';

type Perform = (move: Move) => Promise<void>;

interface Walk {
  readonly filter: { readonly status?: string };
  readonly shown: string[];
  /** what it must show once */
  readonly must: Set<string>;
  /** starts of each unit while it lasts: one that moves may be shown twice, or not at all */
  readonly starts: Map<string, Set<string>>;
  next: PageKey | undefined;
}

export class Reader {
  /** replicas that were set back, and have not caught up since */
  readonly setBack = new Set<SnapshotReplica>();
  readonly #world: World;
  readonly #system: System;
  readonly #model: Model;
  /** unit → what a read that runs may show of it, by its text */
  #views = new Map<string, Map<string, View | undefined>>();
  #mayBeRefused = false;
  #walk: Walk | undefined;

  constructor(world: World, system: System, model: Model) {
    this.#world = world;
    this.#system = system;
    this.#model = model;
  }

  /** A read that begins now sees what is now. */
  look(): void {
    this.#views = new Map();
    this.#mayBeRefused = false;
  }

  async checkAll(): Promise<void> {
    await this.#see();
    const ids = [...new Set([...this.#model.writes.values()].map(({ unit }) => unit)), ...this.#model.units];
    const { records, unseen } = await readExecutedObsUnits(this.#system, [...new Set(ids)]);
    await this.#see();
    if (unseen.length > 0)
      return expect(this.#mayBeRefused, 'the buffer alone answers without need').toBe(true);
    for (const unit of this.#model.units) this.#check(unit, records.get(unit));
  }

  /** The next page of the listing in progress, or the first one of a new listing; or all of its pages. */
  async list(command: Extract<Command, { kind: 'page' | 'pages' }>, perform: Perform): Promise<void> {
    if (command.kind === 'pages') this.#walk = undefined;
    await this.during(command.during, perform, () => this.#page(command));
    if (command.kind === 'pages') await this.finishWalk(command.limit);
  }

  async finishWalk(limit: number): Promise<void> {
    while (this.#walk && (await this.inReach())) {
      this.look();
      await this.#page({ limit, running: false });
    }
  }

  /** Reads while the system moves: one move before and after each statement. */
  async during(moves: readonly Move[], perform: Perform, read: () => Promise<void>): Promise<void> {
    const left = [...moves];
    const { replicas } = this.#world;
    const quiet = async () => undefined;
    const step = async () => {
      for (const each of replicas) each.around = quiet;
      const next = left.shift();
      if (next) await perform(next);
      await this.#see();
      for (const each of replicas) each.around = step;
    };
    for (const each of replicas) each.around = step;
    await read();
    for (const each of replicas) each.around = quiet;
  }

  /** What was cleaned is at every replica. */
  async checkFloor(): Promise<void> {
    const floor = await this.#floor();
    expect(this.#world.replicas.filter((each) => each.lsn < floor && !this.setBack.has(each))).toEqual([]);
  }

  /** A replica that may answer. */
  async inReach(): Promise<SnapshotReplica | undefined> {
    const floor = await this.#floor();
    return this.#world.replicas.find(({ lsn, hangs }) => lsn >= floor && !hangs);
  }

  async #floor(): Promise<bigint> {
    return BigInt((await this.#system.redis.get<string>(this.#system.keys.floor)) ?? 0);
  }

  /** Adds what may be seen now. */
  async #see(): Promise<void> {
    const floor = await this.#floor();
    const answering = this.#world.replicas.filter(({ lsn, hangs }) => lsn >= floor && !hangs);
    if (answering.length === 0) this.#mayBeRefused = true;
    for (const unit of this.#model.units) {
      const views = this.#views.get(unit) ?? new Map<string, View | undefined>();
      for (const { seen } of answering) {
        for (const view of this.#model.viewsOf(unit, seen)) views.set(textOf(view), view);
      }
      this.#views.set(unit, views);
    }
    this.#noteForWalk();
  }

  #noteForWalk(): void {
    if (!this.#walk) return;
    const { must, starts, filter } = this.#walk;
    for (const [unit, views] of this.#views) {
      const noted = starts.get(unit) ?? new Set();
      for (const view of views.values()) {
        if (!isListed(view, filter)) must.delete(unit);
        if (view?.start_time) noted.add(view.start_time);
      }
      if (noted.size > 1) must.delete(unit);
      starts.set(unit, noted);
    }
  }

  #check(unit: string, record: ExecutedObsUnit | undefined): void {
    const shown = record && viewOf(record);
    const foreseen = this.#views.get(unit) ?? new Map<string, View | undefined>();
    if (foreseen.has(textOf(shown))) return;
    expect({ unit, shown }).toEqual({ unit, oneOf: [...foreseen.values()] });
  }

  async #page({ limit, running }: { readonly limit: number; readonly running: boolean }): Promise<void> {
    await this.#see();
    const walk = (this.#walk ??= this.#newWalk(running));
    this.#noteForWalk();
    const { filter, next } = walk;
    const asked = listExecutedObsUnits(this.#system, { filter, limit, ...(next && { after: next }) });
    const page = await asked.catch((error: unknown) => {
      if (error instanceof ReplicaUnavailable) return undefined;
      throw error;
    });
    await this.#see();
    if (!page || page.unseen.length > 0) {
      expect(this.#mayBeRefused, 'refused without need').toBe(true);
      // a page without what the replicas have is none of this listing
      this.#walk = undefined;
      return;
    }
    const records = page.records.filter(({ id }) => !this.#model.isPoisoned(id));
    walk.shown.push(...records.map(({ id }) => id));
    for (const record of records) this.#check(record.id, record);
    walk.next = page.next;
    if (page.next === undefined) this.#endWalk(walk);
  }

  #newWalk(running: boolean): Walk {
    const filter = running ? { status: 'running' } : {};
    return { filter, shown: [], must: new Set(this.#model.units), starts: new Map(), next: undefined };
  }

  #endWalk({ shown, must, starts }: Walk): void {
    this.#walk = undefined;
    const still = shown.filter((unit) => (starts.get(unit)?.size ?? 0) < 2);
    expect(new Set(still).size, 'a listing shows a record once').toBe(still.length);
    expect(
      [...must].filter((unit) => !shown.includes(unit)),
      'a listing shows every record that was there all the time',
    ).toEqual([]);
  }
}

function isListed(view: View | undefined, { status }: { readonly status?: string }): boolean {
  return view !== undefined && view.start_time !== null && (status === undefined || view.status === status);
}

function viewOf({ obs_unit_id, start_time, status, end_time, metadata }: ExecutedObsUnit): View {
  return { obs_unit_id, start_time, status, end_time, metadata };
}

function textOf(view: View | undefined): string {
  if (!view) return '';
  const metadata = Object.entries(view.metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([view.obs_unit_id, view.start_time, view.status, view.end_time, metadata]);
}
