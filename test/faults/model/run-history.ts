/** Runs a history on the real scripts, the real function of main and the real reads, and holds every read against the model. */
import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type pg from 'pg';
import { accept } from '../../../lib/buffer/accept.ts';
import { readBodies } from '../../../lib/buffer/bodies.ts';
import { claim } from '../../../lib/buffer/claim.ts';
import { mark } from '../../../lib/buffer/mark.ts';
import { ReplicaUnavailable } from '../../../lib/replication/errors.ts';
import type { ExecutedObsUnit } from '../../../lib/observation/executed-obs-unit.ts';
import { draftFinish, draftStart, type Draft } from '../../../lib/observation/record-executed-obs-unit.ts';
import { applyTransactions } from '../../../lib/postgres/apply.ts';
import type { Redis } from '../../../lib/redis/client.ts';
import { keysOf, type Keys } from '../../../lib/redis/keys.ts';
import { confirm } from '../../../lib/replication/confirm.ts';
import { readExecutedObsUnits } from '../../../lib/smart-query/executed-obs-units.ts';
import { listExecutedObsUnits, type PageKey } from '../../../lib/smart-query/list-executed-obs-units.ts';
import { instantOfMicroseconds, instantOfMilliseconds, type Instant } from '../../../lib/values/instant.ts';
import { TransactionBuilder } from '../../../lib/transaction/builder.ts';
import { uuidV7 } from '../../../lib/transaction/ids.ts';
import { Model, type Command, type Move } from './history.ts';
import { poison, type PoisonKind } from '../storm/poison.ts';
import type { SnapshotReplica } from './snapshot-replica.ts';

export interface World {
  readonly redis: Redis;
  readonly main: pg.Pool;
  readonly replicas: readonly [SnapshotReplica, SnapshotReplica];
  /** an older state, that a replica may be rebuilt to */
  readonly old: SnapshotReplica;
}

/** @param name of the history, unlike any other's */
export async function runHistory(world: World, name: string, history: readonly Command[]): Promise<void> {
  // not truncated: that would wait for the snapshots
  await world.main.query('delete from executed_obs_unit; delete from tombstone; delete from inbox');
  for (const each of [...world.replicas, world.old]) await each.replay();
  const run = new Run(world, keysOf(name));
  for (const command of history) {
    await run.perform(command);
    await run.checkAll();
  }
  await run.finishWalk(2);
  await run.settle();
}

interface Walk {
  readonly filter: { readonly status?: string };
  readonly shown: string[];
  readonly must: Set<string>;
  next: PageKey | undefined;
}

class Run {
  readonly #world: World;
  readonly #keys: Keys;
  readonly #model = new Model();
  #clock = Date.UTC(2028, 0, 1);
  /** a listing in progress: what it has shown, and what it must show once */
  #walk: Walk | undefined;
  /** unit → transaction that main cannot apply */
  readonly #poisoned = new Map<string, string>();
  /** main parks what is written to them: another program may put them back */
  readonly #deletedByHand = new Set<string>();
  /** replicas that were set back, and have not caught up since */
  readonly #setBack = new Set<SnapshotReplica>();

  constructor(world: World, keys: Keys) {
    this.#world = world;
    this.#keys = keys;
  }

  async perform(command: Command): Promise<void> {
    switch (command.kind) {
      case 'start':
      case 'finish':
      case 'update':
      case 'delete':
        return this.#write(command);
      case 'poison':
        return this.#poison(command.poison);
      case 'sql':
        return this.#changeByHand(command);
      case 'rebuild': {
        const replica = this.#world.replicas[command.replica === 0 ? 0 : 1];
        replica.swap(this.#world.old);
        this.#setBack.add(replica);
        return this.#world.old.replay();
      }
      case 'settle':
        return this.settle();
      case 'failover':
        return this.#failOver();
      case 'read':
        return this.#with(command.during, () => this.checkAll());
      case 'page':
        return this.#with(command.during, () => this.#page(command));
      case 'pages':
        this.#walk = undefined;
        await this.#with(command.during, () => this.#page(command));
        return this.finishWalk(command.limit);
      default:
        return this.#move(command);
    }
  }

  async #move(move: Move): Promise<void> {
    const { redis, main, replicas } = this.#world;
    const parts = { redis, keys: this.#keys, replicas };
    switch (move.kind) {
      case 'replay': {
        const replica = replicas[move.replica === 0 ? 0 : 1];
        this.#setBack.delete(replica);
        return replica.replay();
      }
      case 'confirm': {
        await this.#still(() => confirm(parts, this.#clock));
        const floor = await this.#floor();
        const behind = replicas.filter((each) => each.lsn < floor && !this.#setBack.has(each));
        expect(behind, 'what was cleaned is at every replica').toEqual([]);
        return;
      }
      case 'execute': {
        const { oldest } = await claim(
          { redis: redis, keys: this.#keys },
          {
            copies: [],
            limit: move.count,
            nowMilliseconds: (this.#clock += 1),
            leaseMilliseconds: 0,
            always: true,
          },
        );
        const { transactions: batch } = await readBodies({ redis: redis, keys: this.#keys }, oldest);
        if (batch.length === 0 || move.dies === 'before commit') return;
        const { rows, lsn } = await applyTransactions(main, batch, 900);
        if (move.dies === 'no') await mark({ redis: redis, keys: this.#keys }, rows, lsn, this.#clock);
      }
    }
  }

  /** A replica promoted that has whatever was cleaned; the others are rebuilt from it. */
  async #failOver(): Promise<void> {
    const { main, replicas, old } = this.#world;
    const floor = await this.#floor();
    const heir = replicas.find(({ lsn }) => lsn >= floor);
    if (!heir) return;
    await heir.promoteInto(main);
    for (const each of [...replicas, old]) await each.replay();
    this.#setBack.clear();
  }

  /** After enough rounds everything is at main, as the model has it, and nothing is left in the buffer. */
  async settle(): Promise<void> {
    const { redis, main } = this.#world;
    for (let round = 0; round < 4; round += 1) {
      await this.#move({ kind: 'execute', count: 1000, dies: 'no' });
      for (const replica of [0, 1]) await this.#move({ kind: 'replay', replica });
      await this.#move({ kind: 'confirm' });
    }
    for (const key of [this.#keys.pending, this.#keys.inflight, this.#keys.committed, this.#keys.overlaid]) {
      expect(await redis.zcard(key), `${key} is empty`).toBe(0);
    }
    const { rows } = await main.query<{ id: string; status: string; metadata: object }>(
      'select id, status, metadata from executed_obs_unit',
    );
    const expected = [...this.#model.units].map(([id, { status, metadata }]) => ({ id, status, metadata }));
    expect(new Set(rows)).toEqual(new Set(expected));
    const { rows: outcomes } = await main.query<{ outcome: string }>(
      'select outcome from inbox where transaction_id = any ($1)',
      [[...this.#poisoned.values()]],
    );
    expect(outcomes.length, 'each transaction has an outcome').toBe(this.#poisoned.size);
    expect(outcomes.map(({ outcome }) => outcome)).not.toContain('applied');
  }

  async #write(command: Extract<Command, { kind: 'start' | 'finish' | 'update' | 'delete' }>): Promise<void> {
    const now = (this.#clock += 1000);
    const stamp = (now + (command.isAhead ? minutesAhead : 0)) * 1000;
    const heading = { id: newId(now), stamp, principal: '1', operation: command.kind };
    if (command.kind === 'start') {
      const id = newId(now);
      const start_time = startOf(command);
      const made = { obs_unit_id: command.obsUnitId, start_time };
      const given = { ...made, start_time: { instant: start_time, isLeapSecond: false } };
      await this.#accept(draftStart(given, id, heading, start_time));
      this.#model.start(id, made);
      return;
    }
    const id = this.#model.ids[command.unit % Math.max(1, this.#model.ids.length)];
    if (id === undefined || this.#deletedByHand.has(id)) return;
    const builder = new TransactionBuilder({ ...heading, aggregate: id }, () => id);
    const other = (): Draft => ({ transaction: builder.build(), patch: '{}', status: 200 });
    switch (command.kind) {
      case 'finish': {
        const end_time = instantOfMilliseconds(Date.UTC(2028, 0, 2, 0, command.end));
        const given = { status: 'completed', end_time: { instant: end_time, isLeapSecond: false } } as const;
        const draft = draftFinish(given, id, heading, end_time);
        if (!(await this.#accept(draft))) return;
        if (this.#walk?.filter.status) this.#walk.must.delete(id);
        return this.#model.finish(id, end_time);
      }
      case 'update':
        builder.update('executed_obs_unit', id, { metadata: { [command.field]: command.value } });
        await this.#accept(other());
        return this.#model.update(id, { [command.field]: command.value });
      case 'delete':
        builder.delete('executed_obs_unit', id);
        await this.#accept(other());
        this.#walk?.must.delete(id);
        return this.#model.delete(id);
    }
  }

  async #poison(kind: PoisonKind): Promise<void> {
    const now = (this.#clock += 1000);
    const transaction = poison(kind, newId(now), newId(now), now);
    this.#poisoned.set(transaction.aggregate, transaction.id);
    expect(await this.#accept({ transaction, patch: '{}', status: 201 })).toBe(true);
  }

  /** Everybody has seen the row and sees the change: when is not of the model. */
  async #changeByHand(command: Extract<Command, { kind: 'sql' }>): Promise<void> {
    const id = this.#model.ids[command.unit % Math.max(1, this.#model.ids.length)];
    if (id === undefined) return;
    await this.settle();
    this.#walk = undefined;
    const { main, replicas, old } = this.#world;
    const start_time = startOf({ ...command, microsecond: 0 });
    switch (command.change) {
      case 'move':
        await main.query('update executed_obs_unit set start_time = $2, obs_unit_id = $3 where id = $1', [
          id,
          start_time,
          command.obsUnitId,
        ]);
        this.#model.change(id, { start_time, obs_unit_id: command.obsUnitId });
        break;
      case 'fail':
        await main.query("update executed_obs_unit set status = 'failed' where id = $1", [id]);
        this.#model.change(id, { status: 'failed' });
        break;
      case 'delete':
        await main.query('delete from executed_obs_unit where id = $1', [id]);
        this.#model.delete(id);
        this.#deletedByHand.add(id);
    }
    for (const each of [...replicas, old]) await each.replay();
    this.#setBack.clear();
  }

  /** @returns false if it was refused */
  async #accept(draft: Draft): Promise<boolean> {
    const verdict = await accept(
      { redis: this.#world.redis, keys: this.#keys },
      {
        claimant: { kind: 'none', principalId: '1' },
        permission: '',
        ...draft,
        nowMilliseconds: this.#clock,
        requestsPerSecond: 1e9,
        budgetBytes: 1e12,
      },
    );
    return 'accepted' in verdict && verdict.accepted === true;
  }

  async checkAll(): Promise<void> {
    const { redis, replicas } = this.#world;
    const parts = { redis, keys: this.#keys, replicas };
    const found = await this.#answered(readExecutedObsUnits(parts, this.#model.ids));
    if (found) expect(shapesOf([...found.records.values()])).toEqual(Object.fromEntries(this.#model.units));
  }

  /** The next page of the listing in progress, or the first one of a new listing. */
  async #page({ limit, running }: { readonly limit: number; readonly running: boolean }): Promise<void> {
    const { redis, replicas } = this.#world;
    const parts = { redis, keys: this.#keys, replicas };
    const walk = (this.#walk ??= this.#newWalk(running));
    const { filter, next } = walk;
    const page = await this.#answered(
      listExecutedObsUnits(parts, { filter, limit, ...(next && { after: next }) }),
    );
    if (!page) return;
    const records = page.records.filter(({ id }) => !this.#poisoned.has(id));
    walk.shown.push(...records.map(({ id }) => id));
    for (const [id, shape] of Object.entries(shapesOf(records))) {
      expect(shape).toEqual(this.#model.units.get(id));
    }
    walk.next = page.next;
    if (page.next === undefined) this.#endWalk();
  }

  #newWalk(running: boolean): Walk {
    const { units } = this.#model;
    const must = [...units].filter(([, { status }]) => !running || status === 'running').map(([id]) => id);
    return { filter: running ? { status: 'running' } : {}, shown: [], must: new Set(must), next: undefined };
  }

  async finishWalk(limit: number): Promise<void> {
    while (this.#walk && this.#floorIsReached(await this.#floor())) {
      await this.#page({ limit, running: false });
    }
  }

  #endWalk(): void {
    if (!this.#walk) return;
    const { shown, must } = this.#walk;
    expect(new Set(shown).size, 'a listing shows a record once').toBe(shown.length);
    expect(
      [...must].filter((id) => !shown.includes(id)),
      'a listing shows every record that was there all the time',
    ).toEqual([]);
    this.#walk = undefined;
  }

  /** A read may be refused only while every replica lacks what was cleaned. */
  async #answered<T>(read: Promise<T>): Promise<T | undefined> {
    try {
      return await read;
    } catch (error) {
      if (!(error instanceof ReplicaUnavailable)) throw error;
      expect(this.#floorIsReached(await this.#floor()), 'refused without need').toBe(false);
      return undefined;
    }
  }

  async #floor(): Promise<bigint> {
    return BigInt((await this.#world.redis.get<string>(this.#keys.floor)) ?? 0);
  }

  #floorIsReached(floor: bigint): boolean {
    return this.#world.replicas.some(({ lsn }) => lsn >= floor);
  }

  /** Reads while the system moves: one move before and after each statement. */
  async #with(during: readonly Move[], read: () => Promise<void>): Promise<void> {
    const moves = [...during];
    for (const each of this.#world.replicas) {
      each.around = () =>
        this.#still(async () => {
          const next = moves.shift();
          if (next) await this.#move(next);
        });
    }
    await read();
    for (const each of this.#world.replicas) each.around = async () => undefined;
  }

  /** Nothing moves while something else does. */
  async #still<T>(act: () => Promise<T>): Promise<T> {
    const { replicas } = this.#world;
    const before = replicas.map(({ around }) => around);
    for (const each of replicas) each.around = async () => undefined;
    const result = await act();
    replicas.forEach((each, index) => (each.around = before[index] ?? each.around));
    return result;
  }
}

const minutesAhead = 3 * 60_000;

function startOf({
  minute,
  microsecond,
}: {
  readonly minute: number;
  readonly microsecond: number;
}): Instant {
  return instantOfMicroseconds(BigInt(Date.UTC(2028, 0, 1, 0, minute)) * 1000n + BigInt(microsecond));
}

function newId(now: number): string {
  return uuidV7(now, randomBytes(10));
}

function shapesOf(records: readonly ExecutedObsUnit[]) {
  return Object.fromEntries(
    records.map(({ id, obs_unit_id, start_time, status, end_time, metadata }) => [
      id,
      { obs_unit_id, start_time, status, end_time, metadata },
    ]),
  );
}
