/** Runs a history on the real system, and compares every read with the model. */
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { draftFinish, draftStart, type Draft } from '../../../lib/observation/record-executed-obs-unit.ts';
import { TransactionBuilder } from '../../../lib/transaction/builder.ts';
import { instantOfMicroseconds, instantOfMilliseconds } from '../../../lib/values/instant.ts';
import { poison, unreadableMessages, type PoisonKind } from '../storm/poison.ts';
import { AtMain } from './at-main.ts';
import type { Command, Move } from './history.ts';
import { Model, type Write } from './model.ts';
import { Reader } from './reader.ts';
import { System, type Stores } from './system.ts';

/** @param name unique to the history */
export async function runHistory(stores: Stores, name: string, history: readonly Command[]): Promise<void> {
  const run = new Run(stores, name);
  await run.begin();
  for (const command of history) {
    await run.perform(command);
    await run.reader.checkAll();
  }
  await run.reader.finishWalk(2);
  await run.settle();
}

class Run {
  readonly reader: Reader;
  readonly #stores: Stores;
  readonly #system: System;
  readonly #model = new Model();
  readonly #atMain: AtMain;
  /** messages that the queue still holds, and those that main keeps */
  readonly #unreadable = { queued: [] as string[], kept: 0 };

  constructor(stores: Stores, name: string) {
    this.#stores = stores;
    this.#system = new System(stores, name);
    this.#atMain = new AtMain(stores.main, this.#system, this.#model);
    this.reader = new Reader(stores, this.#system, this.#model);
  }

  async begin(): Promise<void> {
    await this.#atMain.empty();
    await this.#system.begin();
    for (const each of this.#everyReplica()) await each.replay(0);
  }

  async perform(command: Command): Promise<void> {
    this.reader.reset();
    switch (command.kind) {
      case 'start':
      case 'finish':
      case 'finish first':
      case 'update':
      case 'delete':
        return this.#write(command);
      case 'poison':
        return this.#poison(command.poison);
      case 'unreadable':
        this.#unreadable.queued.push(unreadableMessages(randomUUID())[command.which] ?? '');
        return this.#keepUnreadable();
      case 'decide':
        return this.#decide(command);
      case 'sql':
        return this.#atMain.change(command);
      case 'under':
        return this.#system.under(command.fault, () => this.perform(command.command));
      case 'rebuild': {
        const replica = this.#stores.replicas[command.replica === 0 ? 0 : 1];
        replica.swap(this.#stores.old);
        this.reader.setBack.add(replica);
        return this.#stores.old.replay(this.#model.commits);
      }
      case 'settle':
        return this.settle();
      case 'failover':
        return this.#failOver();
      case 'read':
        return this.reader.during(
          command.during,
          (move) => this.#move(move),
          () => this.reader.checkAll(),
        );
      case 'page':
      case 'pages':
        return this.reader.list(command, (move) => this.#move(move));
      default:
        return this.#move(command);
    }
  }

  #everyReplica() {
    return [...this.#stores.replicas, this.#stores.old];
  }

  async #move(move: Move): Promise<void> {
    switch (move.kind) {
      case 'replay': {
        const replica = this.#stores.replicas[move.replica === 0 ? 0 : 1];
        this.reader.setBack.delete(replica);
        return replica.replay(this.#model.commits);
      }
      case 'confirm':
        await this.#system.confirm();
        return this.reader.checkFloor();
      case 'execute': {
        const done = await this.#system.execute(move.count, move.dies);
        if (done) this.#model.decide(done.rows, (id) => !done.unmarked.has(id));
      }
    }
  }

  /** Promotes a replica that has all that was cleaned from the buffer, and rebuilds the others from it. */
  async #failOver(): Promise<void> {
    const promoted = await this.reader.answeringReplica();
    if (!promoted) return;
    await promoted.promoteInto(this.#stores.main);
    this.#model.lose(promoted.seen);
    for (const each of this.#everyReplica()) await each.replay(this.#model.commits);
    this.reader.setBack.clear();
  }

  /** Runs rounds until every transaction has an outcome, then compares main, buffer and lists with the model. */
  async settle(): Promise<void> {
    for (let round = 0; round < 3; round += 1) await this.#round();
    if ((await this.#atMain.pending()) > 0) await this.#unblock();
    await this.#atMain.check(this.#unreadable.kept);
    this.reader.reset();
  }

  async #round(): Promise<void> {
    await this.#system.drain();
    await this.#keepUnreadable();
    for (const each of this.#everyReplica()) await each.replay(this.#model.commits);
    await this.#system.confirm();
    this.reader.setBack.clear();
  }

  /**
   * Transactions that all fail alike are not set aside until one succeeds: this accepts one that can. A transaction with a column
   * that main does not have waits until an admin discards it.
   */
  async #unblock(): Promise<void> {
    await this.#write({
      kind: 'start',
      isAhead: false,
      isLate: false,
      minute: 0,
      microsecond: 0,
      obsUnitId: 1,
    });
    for (const { id, values } of this.#model.writes.values()) {
      if (values.status === 'unknownColumn') await this.#discard(id);
    }
    for (let round = 0; round < 6 && (round < 2 || (await this.#atMain.pending()) > 0); round += 1) {
      this.#system.clock += 10_000;
      await this.#round();
    }
  }

  async #write(
    command: Extract<Command, { kind: 'start' | 'finish' | 'finish first' | 'update' | 'delete' }>,
  ): Promise<void> {
    const now = (this.#system.clock += 1000);
    const stamp = (now + (command.isAhead ? minutesAhead : 0)) * 1000;
    const operation = command.kind;
    const heading = { id: this.#system.newId(), stamp, principal: '1', operation };
    if (command.kind === 'start') {
      const [late] = this.#model.unstarted;
      const unit = (command.isLate ? late : undefined) ?? this.#system.newId();
      const start_time = startOf(command);
      const made = { obs_unit_id: command.obsUnitId, start_time };
      const given = { ...made, start_time: { instant: start_time, isLeapSecond: false } };
      return this.#accept(draftStart(given, unit, heading, start_time), 'start', made);
    }
    const unit = command.kind === 'finish first' ? this.#system.newId() : this.#unitOf(command.unit);
    if (unit === undefined) return;
    const builder = new TransactionBuilder({ ...heading, aggregate: unit }, () => unit);
    const draftOf = (): Draft => ({ transaction: builder.build(), patch: '{}', status: 200 });
    switch (command.kind) {
      case 'finish':
      case 'finish first': {
        const end_time = instantOfMilliseconds(Date.UTC(2028, 0, 2, 0, command.end));
        const given = { status: 'completed', end_time: { instant: end_time, isLeapSecond: false } } as const;
        const draft = draftFinish(given, unit, heading, end_time);
        return this.#accept(draft, 'finish', { status: 'completed', end_time });
      }
      case 'update': {
        const values = { metadata: { [command.field]: command.value } };
        builder.update('executed_obs_unit', unit, values);
        return this.#accept(draftOf(), 'update', values);
      }
      case 'delete':
        if (this.#model.unstarted.includes(unit)) return;
        builder.delete('executed_obs_unit', unit);
        return this.#accept(draftOf(), 'delete', {});
    }
  }

  #unitOf(index: number): string | undefined {
    const { units } = this.#model;
    return units[index % Math.max(1, units.length)];
  }

  async #accept(draft: Draft, kind: Write['kind'], values: Write['values']): Promise<void> {
    const stamp = await this.#system.accept(draft);
    const { id, aggregate: unit } = draft.transaction;
    if (stamp !== undefined) this.#model.accept({ id, unit, stamp, kind, values });
    else if (!this.#system.isFull)
      expect(this.#model.mustAccept(kind, unit), 'refused without a conflict').toBe(false);
  }

  async #poison(kind: PoisonKind): Promise<void> {
    const now = (this.#system.clock += 1000);
    const transaction = poison(kind, this.#system.newId(), this.#system.newId(), now);
    await this.#accept({ transaction, patch: '{}', status: 201 }, 'poison', { status: kind });
  }

  async #keepUnreadable(): Promise<void> {
    const { queued } = this.#unreadable;
    for (const body of queued.splice(0)) {
      if (await this.#system.keepUnreadable(body)) this.#unreadable.kept += 1;
      else queued.push(body);
    }
  }

  async #decide({ action, transaction }: Extract<Command, { kind: 'decide' }>): Promise<void> {
    const ids = [...this.#model.writes.keys()];
    const id = ids[transaction % Math.max(1, ids.length)];
    if (id === undefined) return;
    if (action === 'discard') return this.#discard(id);
    const { problem } = await this.#system.decide('retry', id);
    expect([undefined, ...possibleProblems]).toContain(problem);
  }

  async #discard(id: string): Promise<void> {
    const { state, problem } = await this.#system.decide('discard', id);
    expect([undefined, ...possibleProblems]).toContain(problem);
    if (state !== undefined) this.#model.discarded.add(id);
  }
}

/** Problems that may answer a decision: nothing is to be decided, or the state is unknown now. Never `not-found`: it was acknowledged. */
const possibleProblems = [
  'not-decidable',
  'conflict',
  'replica-unavailable',
  'not-acknowledged',
  'discarded-before',
  'no-room',
];

const minutesAhead = 3 * 60_000;

function startOf({ minute, microsecond }: { readonly minute: number; readonly microsecond: number }) {
  return instantOfMicroseconds(BigInt(Date.UTC(2028, 0, 1, 0, minute)) * 1000n + BigInt(microsecond));
}
