/** Everything of the history that runs: the stores' stand-ins find it here. */
import type { Databases } from './databases.ts';
import type { Queues } from './queues.ts';
import type { RedisOfHistory } from './redis.ts';
import type { Scheduler } from '../engine/scheduler.ts';

export interface World {
  readonly scheduler: Scheduler;
  readonly redis: RedisOfHistory;
  readonly databases: Databases;
  readonly queues: Queues;
  /** function name → what it works with */
  readonly instances: Map<string, unknown>;
  /** a line that a function has logged */
  readonly log: (line: string) => void;
  readonly startBroadcaster: () => void;
}

let active: World | undefined;

export function world(): World {
  if (!active) throw new Error('no history runs');
  return active;
}

export function enter(next: World | undefined): void {
  active = next;
}
