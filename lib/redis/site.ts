import type { Redis } from './client.ts';
import type { Keys } from './keys.ts';

/** The Redis of an observatory and the names of its keys. */
export interface Site {
  readonly redis: Redis;
  readonly keys: Keys;
}
