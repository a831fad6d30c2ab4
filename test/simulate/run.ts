/** Runs one history: its events, its faults and its schedule, all by its seed; then lets everything come to rest. */
import { createHash } from 'node:crypto';
import { current } from './engine/clock.ts';
import { Random } from './engine/random.ts';
import { Scheduler, type Task } from './engine/scheduler.ts';
import { Client } from './client.ts';
import { checkBuffer } from './checks/buffer.ts';
import { Ledger } from './checks/ledger.ts';
import { checkMain } from './checks/rest.ts';
import { Violation } from './checks/violation.ts';
import type { Machine } from './machine.ts';
import type { Plan } from './plan/plan.ts';
import { Cloud } from './world/cloud.ts';
import { Databases } from './world/databases.ts';
import { Misfortune } from './world/misfortune.ts';
import { Queues } from './world/queues.ts';
import { RedisOfHistory } from './world/redis.ts';
import { enter } from './world/world.ts';

export interface Outcome {
  readonly violation: Violation | undefined;
  /** of everything that happened, in order */
  readonly trace: string;
  readonly lines: readonly string[];
  readonly steps: number;
}

/** Virtual: a night in 2028. */
const begin = Date.UTC(2028, 0, 2);
const mostSteps = 6000;

export async function runHistory(
  machine: Machine,
  plan: Plan,
  { keepsLines = false } = {},
): Promise<Outcome> {
  const hash = createHash('sha256');
  const lines: string[] = [];
  const trace = (line: string) => {
    hash.update(line).update('\n');
    if (keepsLines) lines.push(line);
  };
  const history = new History(machine, plan, trace);
  let violation: Violation | undefined;
  try {
    await history.run();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error;
    trace(error.message);
  } finally {
    await history.end();
  }
  return { violation, trace: hash.digest('hex').slice(0, 16), lines, steps: history.steps };
}

class History {
  steps = 0;
  readonly #machine: Machine;
  readonly #plan: Plan;
  readonly #trace: (line: string) => void;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #databases: Databases;
  readonly #queues: Queues;
  readonly #redis: RedisOfHistory;
  readonly #cloud: Cloud;
  readonly #client: Client;
  readonly #ledger = new Ledger();
  readonly #misfortune: Misfortune;
  readonly #errors: string[] = [];
  #next = 0;
  #nextAt = begin;

  constructor(machine: Machine, plan: Plan, trace: (line: string) => void) {
    this.#machine = machine;
    this.#plan = plan;
    this.#trace = trace;
    const random = new Random(plan.seed ^ 0x5eed);
    this.#random = random;
    const scheduler: Scheduler = new Scheduler({
      random,
      begin,
      trace,
      decide: (gate) => this.#misfortune.decide(gate),
    });
    this.#scheduler = scheduler;
    this.#databases = new Databases(machine.connections, machine.postgres, scheduler);
    this.#queues = new Queues(scheduler);
    this.#redis = new RedisOfHistory(machine.redis, scheduler);
    const world = { scheduler, databases: this.#databases, queues: this.#queues, redis: this.#redis };
    this.#cloud = new Cloud({ ...world, functions: machine.functions, random });
    this.#misfortune = new Misfortune({
      ...world,
      server: machine.redis,
      ledger: this.#ledger,
      plan,
      begin,
      trace,
    });
    this.#client = new Client({ ...world, machine, ledger: this.#ledger, seed: plan.seed, trace, random });
    this.#databases.onBatch = (batch) => this.#client.note(batch, false);
    this.#queues.onMessage = (body) => this.#client.noteMessage(body);
    enter({
      ...world,
      instances: new Map(),
      startBroadcaster: () => undefined,
      log: (line) => this.#errors.push(line),
    });
  }

  async run(): Promise<void> {
    const { redis } = this.#machine;
    await redis.empty();
    await this.#client.letIn();
    await this.#misfortune.begin();
    while (this.#next < this.#plan.events.length || !this.#misfortune.isOver || this.#scheduler.hasWaiting) {
      if (!(await this.#step())) this.#advance();
    }
    await this.#settle();
  }

  async end(): Promise<void> {
    enter(undefined);
    await this.#databases.end();
  }

  /** @returns false if nothing can happen now */
  async #step(): Promise<boolean> {
    this.steps += 1;
    if (this.steps > mostSteps) throw new Violation('no rest', `${mostSteps} steps were not enough`);
    for (const { task, error } of this.#scheduler.failures) {
      if (error instanceof Violation) throw error;
      if (!/^(apply|confirm)/.test(task)) throw new Violation('thrown', `${task}: ${String(error)}`);
    }
    await this.#misfortune.happen();
    const isStill = !this.#scheduler.hasWaiting && this.#next > 0 && this.#next < this.#plan.events.length;
    if (isStill && this.#random.chance(0.04)) await this.#client.look();
    const choices = this.#cloud.choices();
    const event = this.#plan.events[this.#next];
    if (event && this.#scheduler.now >= this.#nextAt + event.after) choices.push(() => this.#begin());
    if (this.#random.chance(0.06)) choices.push(() => this.#replay());
    const isTasks = this.#scheduler.hasWaiting && this.#random.chance(choices.length > 0 ? 0.8 : 1);
    if (isTasks && (await this.#scheduler.step())) return true;
    const choice = this.#random.pick(choices);
    if (choice) await choice();
    else return this.#scheduler.step();
    return true;
  }

  async #begin(): Promise<void> {
    const event = this.#plan.events[this.#next];
    this.#next += 1;
    this.#nextAt = this.#scheduler.now;
    if (event) await this.#client.perform(event);
  }

  async #replay(): Promise<void> {
    const replica = this.#random.pick(this.#databases.replicas);
    if (replica && replica.lsn < this.#databases.lsn) await this.#databases.replay(replica);
  }

  /** Nothing can happen now: to when something can. */
  #advance(): void {
    const event = this.#plan.events[this.#next];
    const { now, times } = this.#scheduler;
    const all = [
      ...times,
      ...this.#cloud.times,
      this.#misfortune.nextAt,
      ...(event ? [this.#nextAt + event.after] : []),
    ];
    this.#scheduler.now = Math.min(now + 60_000, ...all.filter((each) => each > now));
  }

  /** Nothing goes wrong any more: soon nothing is left to be done. */
  async #settle(): Promise<void> {
    this.#misfortune.end();
    await this.#databases.recover();
    this.#trace('at rest');
    const until = this.#scheduler.now + 40 * 60_000;
    while (!(await this.#isQuiet())) {
      if (this.#scheduler.now > until) throw new Violation('waits for ever', await this.#left());
      for (const replica of this.#databases.replicas) {
        if (replica.lsn < this.#databases.lsn) await this.#databases.replay(replica);
      }
      if (!(await this.#step())) this.#advance();
    }
    await checkMain(this.#ledger, this.#databases);
    await checkBuffer(this.#machine.redis);
    await this.#client.checkAll();
    await this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#scheduler.hasWaiting) if (!(await this.#step())) this.#advance();
  }

  /** What is still hidden in the queue was recorded: with main away copies sleep for a quarter of an hour. */
  async #isQuiet(): Promise<boolean> {
    if (this.#scheduler.hasWaiting || this.#queues.visible('transactions').length > 0) return false;
    const { redis } = this.#machine;
    for (const name of ['pending', 'inflight', 'committed']) {
      if ((await redis.ask('ZCARD', `ops:${name}`)) !== 0) return false;
    }
    if ((await redis.ask('EXISTS', 'ops:people:loaded')) === 0) return false;
    const copies = this.#queues.all('transactions').filter(({ body }) => !body.includes('"wake"'));
    const ids = copies.map(({ body }) => /"id":"([0-9a-f-]{36})"/.exec(body)?.[1]);
    if (ids.length === 0) return true;
    if (ids.includes(undefined)) return false;
    const rows = await this.#databases.ask('select from inbox where transaction_id = any ($1)', [ids]);
    return rows.length === new Set(ids).size;
  }

  async #left(): Promise<string> {
    const { redis } = this.#machine;
    const left = await Promise.all(
      ['pending', 'inflight', 'committed'].map((name) => redis.ask('ZRANGE', `ops:${name}`, '0', '-1')),
    );
    const messages = this.#queues.all('transactions').length;
    const errors = this.#errors.slice(-2).join('\n');
    return `pending, in flight, committed: ${JSON.stringify(left)}; ${messages} messages\n${errors}`;
  }
}

/** Runs without gates: what the harness itself asks through the product. */
export function outside<T>(work: () => Promise<T>): Promise<T> {
  return current.exit(work);
}

export type { Task };
