/** Reads as clients do while the system moves, and compares each answer with the values that the model allows. */
import { expect } from 'vitest';
import type { ExecutedObsUnit } from '../../../lib/observation/executed-obs-unit.ts';
import { ReplicaUnavailable } from '../../../lib/replication/errors.ts';
import { readExecutedObsUnits } from '../../../lib/smart-query/executed-obs-units.ts';
import { listExecutedObsUnits, type PageKey } from '../../../lib/smart-query/list-executed-obs-units.ts';
import type { Command, Move } from './history.ts';
import type { Model, View } from './model.ts';
import type { SnapshotReplica } from './snapshot-replica.ts';
import type { System, Stores } from './system.ts';

type Perform = (move: Move) => Promise<void>;

interface Walk {
  readonly filter: { readonly status?: string };
  readonly shown: string[];
  /** units that it must show once */
  readonly must: Set<string>;
  /** start times of each unit during the listing: a unit whose start time changes may be shown twice, or not at all */
  readonly starts: Map<string, Set<string>>;
  next: PageKey | undefined;
}

export class Reader {
  /** replicas that were rebuilt to an older state and have not caught up since */
  readonly setBack = new Set<SnapshotReplica>();
  readonly #stores: Stores;
  readonly #system: System;
  readonly #model: Model;
  /** unit → values that the current read may return, by their text */
  #views = new Map<string, Map<string, View | undefined>>();
  #mayBeRefused = false;
  #walk: Walk | undefined;

  constructor(stores: Stores, system: System, model: Model) {
    this.#stores = stores;
    this.#system = system;
    this.#model = model;
  }

  /** Drops the values that earlier reads could return. */
  reset(): void {
    this.#views = new Map();
    this.#mayBeRefused = false;
  }

  async checkAll(): Promise<void> {
    await this.#addPossible();
    const ids = [...new Set([...this.#model.writes.values()].map(({ unit }) => unit)), ...this.#model.units];
    const { records, unseen } = await readExecutedObsUnits(this.#system, [...new Set(ids)]);
    await this.#addPossible();
    if (unseen.length > 0)
      return expect(this.#mayBeRefused, 'an answer from the buffer alone while a replica can answer').toBe(
        true,
      );
    for (const unit of this.#model.units) this.#check(unit, records.get(unit));
  }

  /** The next page of the listing in progress, or the first one of a new listing; or all of its pages. */
  async list(command: Extract<Command, { kind: 'page' | 'pages' }>, perform: Perform): Promise<void> {
    if (command.kind === 'pages') this.#walk = undefined;
    await this.during(command.during, perform, () => this.#page(command));
    if (command.kind === 'pages') await this.finishWalk(command.limit);
  }

  async finishWalk(limit: number): Promise<void> {
    while (this.#walk && (await this.answeringReplica())) {
      this.reset();
      await this.#page({ limit, running: false });
    }
  }

  /** Reads while the system moves: one move before and after each statement. */
  async during(moves: readonly Move[], perform: Perform, read: () => Promise<void>): Promise<void> {
    const left = [...moves];
    const { replicas } = this.#stores;
    const doNothing = async () => undefined;
    const step = async () => {
      for (const each of replicas) each.around = doNothing;
      const next = left.shift();
      if (next) await perform(next);
      await this.#addPossible();
      for (const each of replicas) each.around = step;
    };
    for (const each of replicas) each.around = step;
    await read();
    for (const each of replicas) each.around = doNothing;
  }

  /** Every replica has replayed what was cleaned from the buffer. */
  async checkFloor(): Promise<void> {
    const floor = await this.#floor();
    expect(this.#stores.replicas.filter((each) => each.lsn < floor && !this.setBack.has(each))).toEqual([]);
  }

  /** @returns a replica that can answer */
  async answeringReplica(): Promise<SnapshotReplica | undefined> {
    const floor = await this.#floor();
    return this.#stores.replicas.find(({ lsn, hangs }) => lsn >= floor && !hangs);
  }

  async #floor(): Promise<bigint> {
    return BigInt((await this.#system.redis.get<string>(this.#system.keys.floor)) ?? 0);
  }

  /** Adds the values that a read may return now. */
  async #addPossible(): Promise<void> {
    const floor = await this.#floor();
    const answering = this.#stores.replicas.filter(({ lsn, hangs }) => lsn >= floor && !hangs);
    if (answering.length === 0) this.#mayBeRefused = true;
    for (const unit of this.#model.units) {
      const views = this.#views.get(unit) ?? new Map<string, View | undefined>();
      for (const { seen } of answering) {
        for (const view of this.#model.viewsOf(unit, seen)) views.set(textOf(view), view);
      }
      this.#views.set(unit, views);
    }
    this.#updateWalk();
  }

  #updateWalk(): void {
    if (!this.#walk) return;
    const { must, starts, filter } = this.#walk;
    for (const [unit, views] of this.#views) {
      const times = starts.get(unit) ?? new Set();
      for (const view of views.values()) {
        if (!isListed(view, filter)) must.delete(unit);
        if (view?.start_time) times.add(view.start_time);
      }
      if (times.size > 1) must.delete(unit);
      starts.set(unit, times);
    }
  }

  #check(unit: string, record: ExecutedObsUnit | undefined): void {
    const shown = record && viewOf(record);
    const allowed = this.#views.get(unit) ?? new Map<string, View | undefined>();
    if (allowed.has(textOf(shown))) return;
    expect({ unit, shown }).toEqual({ unit, oneOf: [...allowed.values()] });
  }

  async #page({ limit, running }: { readonly limit: number; readonly running: boolean }): Promise<void> {
    await this.#addPossible();
    const walk = (this.#walk ??= this.#newWalk(running));
    this.#updateWalk();
    const { filter, next } = walk;
    const listing = listExecutedObsUnits(this.#system, { filter, limit, ...(next && { after: next }) });
    const page = await listing.catch((error: unknown) => {
      if (error instanceof ReplicaUnavailable) return undefined;
      throw error;
    });
    await this.#addPossible();
    if (!page || page.unseen.length > 0) {
      expect(this.#mayBeRefused, 'refused while a replica can answer').toBe(true);
      // a page from the buffer alone does not belong to this listing
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
      'a listing shows every record that existed throughout',
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
