/**
 * The one scheduler of a history. A task runs until it asks a store; there it waits until the schedule lets it go on. So one task
 * runs at a time, a call is one atomic step, and whatever may happen between two calls can happen.
 */
import { current, type Platform } from './clock.ts';
import type { Random } from './random.ts';

export type StoreName = 'redis' | 'queue' | 'main' | 'replica';

/** Where a task stands: before a call, or after it and before its answer. */
export interface Gate {
  readonly task: Task;
  readonly store: StoreName;
  readonly label: string;
  readonly phase: 'before' | 'after';
}

/** `fail`: the connection is lost; of a call that was executed its answer alone */
export type Verdict = 'go' | 'fail';

interface Waiting {
  readonly gate: Gate;
  readonly resume: (verdict: Verdict) => void;
  /** virtual ms: not before */
  readonly notBefore: number;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
  readonly of: Task;
}

export class Task implements Platform {
  readonly name: string;
  readonly random: Random;
  readonly #scheduler: Scheduler;
  /** ms that its clock is ahead of the others */
  readonly skew: number;
  isOver = false;
  isKilled = false;
  /** its connections are lost: the next call of each fails */
  frozen: Set<StoreName> | undefined;

  constructor(scheduler: Scheduler, name: string, random: Random, skew: number) {
    this.#scheduler = scheduler;
    this.name = name;
    this.random = random;
    this.skew = skew;
  }

  now(): number {
    return this.#scheduler.now + this.skew;
  }

  schedule(callback: () => void, milliseconds: number): () => void {
    return this.#scheduler.addTimer(this, callback, milliseconds);
  }
}

export type Decision =
  | { readonly do: 'go' }
  | { readonly do: 'fail' }
  | { readonly do: 'kill' }
  | { readonly do: 'freeze'; readonly milliseconds: number };

export interface SchedulerOptions {
  readonly random: Random;
  /** epoch ms */
  readonly begin: number;
  /** what befalls a task at a gate */
  readonly decide: (gate: Gate) => Decision;
  readonly trace: (line: string) => void;
}

export class Scheduler {
  now: number;
  readonly #options: SchedulerOptions;
  #waiting: Waiting[] = [];
  #timers: Timer[] = [];
  #busy = 0;
  #onIdle: (() => void) | undefined;
  #count = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.now = options.begin;
  }

  /** Begins a task; it runs to its first call at once. */
  start(name: string, work: () => Promise<void>, { skew = 0 } = {}): Task {
    const { random } = this.#options;
    const task = new Task(this, name, random, skew);
    current.run(task, () => {
      work().then(
        () => (task.isOver = true),
        (error: unknown) => {
          task.isOver = true;
          if (!task.isKilled) this.failures.push({ task: name, error });
        },
      );
    });
    return task;
  }

  /** Tasks that threw: a handler answers, and lets nothing out but what its caller should see. */
  readonly failures: { readonly task: string; readonly error: unknown }[] = [];

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** When timers and frozen tasks are due, virtual ms. */
  get times(): number[] {
    return [...this.#waiting.map(({ notBefore }) => notBefore), ...this.#timers.map(({ at }) => at)];
  }

  addTimer(of: Task, callback: () => void, milliseconds: number): () => void {
    const timer: Timer = {
      at: this.now + Math.max(0, milliseconds),
      order: (this.#count += 1),
      of,
      fire: () => current.run(of, callback),
    };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  /** A call of a store by the task that runs. @param execute the call itself @param lost the error of a lost connection */
  async call<T>(store: StoreName, label: string, execute: () => Promise<T>, lost: () => Error): Promise<T> {
    const task = current.getStore() as Task | undefined;
    if (!task) return execute();
    if ((await this.#gate({ task, store, label, phase: 'before' })) === 'fail') throw lost();
    const outcome = await this.aside(execute).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if ((await this.#gate({ task, store, label, phase: 'after' })) === 'fail') throw lost();
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** What is waited for without a gate. What the driver does with timers and clocks is none of the history's. */
  async aside<T>(execute: () => Promise<T>): Promise<T> {
    this.#busy += 1;
    try {
      return await current.exit(execute);
    } finally {
      this.#busy -= 1;
      if (this.#busy === 0) this.#onIdle?.();
    }
  }

  #gate(gate: Gate): Promise<Verdict> {
    return new Promise((resume) => this.#waiting.push({ gate, resume, notBefore: this.now }));
  }

  /**
   * One step: a task that may go on does, or a timer fires.
   * @returns false if nothing can happen now
   */
  async step(): Promise<boolean> {
    const due = this.#timers
      .filter(({ at }) => at <= this.now)
      .sort((a, b) => a.at - b.at || a.order - b.order);
    const ready = this.#waiting.filter(({ notBefore }) => notBefore <= this.now);
    const { random } = this.#options;
    const chosen = random.int(ready.length + due.length);
    const waiting = ready[chosen];
    if (waiting) await this.#let(waiting);
    else {
      const timer = due[chosen - ready.length];
      if (!timer) return false;
      this.#timers = this.#timers.filter((each) => each !== timer);
      if (!timer.of.isKilled) timer.fire();
      await this.quiet();
    }
    return true;
  }

  async #let(waiting: Waiting): Promise<void> {
    this.#waiting = this.#waiting.filter((each) => each !== waiting);
    const { gate } = waiting;
    const { task } = gate;
    if (task.isKilled) return;
    const { trace, decide, random } = this.#options;
    const decision: Decision = task.frozen?.delete(gate.store) ? { do: 'fail' } : decide(gate);
    if (gate.phase === 'before') this.now += 1 + random.int(gate.store === 'main' ? 300 : 3);
    trace(
      `${this.now} ${task.name}: ${gate.store} ${gate.label} ${gate.phase}${decision.do === 'go' ? '' : ` → ${decision.do}`}`,
    );
    switch (decision.do) {
      case 'kill':
        task.isKilled = true;
        return;
      case 'freeze':
        task.frozen = new Set(['redis', 'queue', 'main', 'replica']);
        this.#waiting.push({ ...waiting, notBefore: this.now + decision.milliseconds });
        return;
      default:
        waiting.resume(decision.do);
        await this.quiet();
    }
  }

  /** Until every task waits at a gate, for a timer, or is over. */
  async quiet(): Promise<void> {
    await immediate();
    while (this.#busy > 0) {
      await new Promise<void>((resume) => (this.#onIdle = resume));
      await immediate();
    }
  }
}

const { setImmediate: soon } = globalThis;

function immediate(): Promise<void> {
  return new Promise((resume) => soon(resume));
}
