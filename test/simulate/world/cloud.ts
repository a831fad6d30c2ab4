/** What the cloud does by itself: it invokes functions for messages and by the clock, and replicates. */
import type { Functions } from '../functions.ts';
import type { Databases } from './databases.ts';
import type { Queues, StoredMessage } from './queues.ts';
import type { Scheduler, Task } from '../engine/scheduler.ts';
import type { Random } from '../engine/random.ts';

interface CloudParts {
  readonly scheduler: Scheduler;
  readonly databases: Databases;
  readonly queues: Queues;
  readonly functions: Functions;
  readonly random: Random;
}

const queueFunctions = [
  { queue: 'transactions', name: 'apply', atOnce: 2 },
  { queue: 'checks', name: 'confirm', atOnce: 1 },
] as const;

const sweepMilliseconds = 60_000;
const batchSize = 10;

export class Cloud {
  readonly #parts: CloudParts;
  readonly #running = new Map<string, Set<Task>>();
  #sweepAt: number;
  #invocations = 0;

  constructor(parts: CloudParts) {
    this.#parts = parts;
    this.#sweepAt = parts.scheduler.now + 1000 + parts.random.int(sweepMilliseconds);
  }

  /** When something will happen by itself. */
  get times(): number[] {
    return [this.#sweepAt, ...this.#parts.queues.times];
  }

  /** Choices that may be taken now. */
  choices(): (() => Promise<void>)[] {
    const { queues, scheduler } = this.#parts;
    const choices: (() => Promise<void>)[] = [];
    for (const { queue, name, atOnce } of queueFunctions) {
      const visible = queues.visible(queue);
      if (visible.length > 0 && this.#countOf(name) < atOnce)
        choices.push(() => this.#consume(queue, name, visible));
    }
    if (scheduler.now >= this.#sweepAt) choices.push(() => this.sweep());
    return choices;
  }

  async sweep(): Promise<void> {
    const { scheduler, functions } = this.#parts;
    this.#sweepAt = scheduler.now + sweepMilliseconds;
    if (this.#countOf('sweep') > 0) return;
    await this.#invoke('sweep', () => functions.sweep());
  }

  async #consume(queue: string, name: 'apply' | 'confirm', visible: readonly StoredMessage[]): Promise<void> {
    const { queues, random, functions } = this.#parts;
    const taken = random.chance(0.7)
      ? visible.slice(0, batchSize)
      : visible.slice(0, 1 + random.int(visible.length));
    queues.take(taken);
    const receipts = new Map(taken.map((message) => [message.id, message.receipt ?? '']));
    await this.#invoke(name, async () => {
      const failed = await functions.consume(
        name,
        taken.map(({ id, body, receives, receipt = '' }) => ({ id: String(id), body, receives, receipt })),
      );
      // a message that was taken again meanwhile is deleted all the same: receipts of standard queues are not checked
      const done = taken.filter(({ id }) => !failed.has(String(id)) && receipts.has(id)).map(({ id }) => id);
      queues.remove(queue, done);
    });
  }

  async #invoke(name: string, work: () => Promise<void>): Promise<void> {
    const { scheduler } = this.#parts;
    this.#invocations += 1;
    const running = this.#running.get(name) ?? new Set();
    this.#running.set(name, running);
    running.add(scheduler.start(`${name} ${this.#invocations}`, work));
    await scheduler.quiet();
  }

  #countOf(name: string): number {
    const running = this.#running.get(name);
    if (!running) return 0;
    for (const task of running) if (task.isOver || task.isKilled) running.delete(task);
    return running.size;
  }
}
