/**
 * Entries of the change feed are written by the script that makes the change. A position is a stream id. The publication only wakes
 * the broadcaster, which reads the stream.
 */

/** Streams that scripts write, and the pub/sub channel that announces new entries. */
export const streams = {
  /** transitions of accepted transactions and changes by plain SQL, of executed units with their packages and files */
  observations: { stream: 'executed_obs_units', wakes: 'executed_obs_unit_updates' },
  /** changes of packages and transfers */
  transfer: { stream: 'transfer.overview', wakes: 'transfer_updates' },
  /** connections that were opened, closed or have changed their subscriptions */
  connections: { stream: 'connections', wakes: 'connection_updates' },
} as const;

/** The sweeper trims entries older than this. Each append trims the oldest entries beyond the maximum length. */
export const feedSeconds = 24 * 3600;

/**
 * Kinds of changes: the new state of a transaction, or `changed` by plain SQL at main. `reset` has no record: more has changed than
 * entries name.
 */
export const changes = [
  'buffered',
  'waiting',
  'committed',
  'replicated',
  'failed',
  'changed',
  'reset',
] as const;
export type Change = (typeof changes)[number];
