/** Redis as the functions of one history see it. */
import { RedisError, RedisUnreachable } from '../product.ts';
import type { Command, RedisServer } from '../stores/redis-server.ts';
import type { Scheduler } from '../engine/scheduler.ts';

export type RedisState = 'up' | 'away' | 'full';

/** Commands that a Redis without memory refuses, as scripts that write. */
const writes = new Set(['set', 'hset', 'zadd', 'sadd', 'incr', 'eval', 'evalsha', 'xadd']);

export class RedisOfHistory {
  state: RedisState = 'up';
  /** the next script ends after so many commands, and its answer is lost */
  cutAfter: number | undefined;
  readonly #server: RedisServer;
  readonly #scheduler: Scheduler;

  constructor(server: RedisServer, scheduler: Scheduler) {
    this.#server = server;
    this.#scheduler = scheduler;
  }

  call(command: Command): Promise<unknown> {
    return this.#atomically(labelOf(command), () => this.#execute(command));
  }

  /** One request, and each command for itself. */
  async pipeline(commands: readonly Command[]): Promise<({ result: unknown } | { error: string })[]> {
    return this.#atomically(`pipeline of ${commands.length}`, async () => {
      const answers: ({ result: unknown } | { error: string })[] = [];
      for (const command of commands) {
        answers.push(
          await this.#execute(command).then(
            (result) => ({ result }),
            (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
          ),
        );
      }
      return answers;
    });
  }

  /** One transaction of Redis. */
  together(commands: readonly Command[]) {
    return this.pipeline(commands);
  }

  #atomically<T>(label: string, execute: () => Promise<T>): Promise<T> {
    return this.#scheduler.call(
      'redis',
      label,
      async () => {
        if (this.state === 'away') throw new RedisUnreachable('Redis did not answer');
        return execute();
      },
      () => new RedisUnreachable('Redis did not answer: connection lost'),
    );
  }

  async #execute(command: Command): Promise<unknown> {
    if (this.state === 'full' && writes.has((command[0] ?? '').toLowerCase())) {
      throw new RedisError("OOM command not allowed when used memory > 'maxmemory'.");
    }
    const limit = this.cutAfter;
    try {
      if (limit === undefined || !/^eval/i.test(command[0] ?? '')) {
        return await this.#server.execute(command, this.#scheduler.now);
      }
      this.cutAfter = undefined;
      await this.#server.execute(command, this.#scheduler.now, limit).catch(() => undefined);
      throw new RedisUnreachable('Redis did not answer: it ended within a script');
    } catch (error) {
      if (error instanceof RedisUnreachable) throw error;
      throw error instanceof Error ? new RedisError(error.message) : error;
    }
  }
}

function labelOf([name = '', first = '', , key = '']: Command): string {
  return /^eval/i.test(name) ? `script on ${key}` : `${name.toLowerCase()} ${first}`;
}
