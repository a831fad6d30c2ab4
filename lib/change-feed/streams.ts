/**
 * Change-feed entries are written by the script that makes the change they tell of. A position is the stream id; the
 * publication only wakes the broadcaster, which reads the stream.
 */

/** Streams that scripts write, and the pub/sub channel that tells of each new entry. */
export const streams = {
  /** transitions of accepted transactions, and changes by others, of executed units with their packages and files */
  observations: { stream: 'executed_obs_units', wakes: 'executed_obs_unit_updates' },
  /** changes of packages and transfers */
  transfer: { stream: 'transfer.overview', wakes: 'transfer_updates' },
  /** connections that came, went, or changed their subscriptions */
  connections: { stream: 'connections', wakes: 'connection_updates' },
} as const;

/** Entries older than this are trimmed by the sweeper, and the oldest ones beyond the length at each append. */
export const feedSeconds = 24 * 3600;

/**
 * What happened to a record: where its transaction has got to, or `changed` by somebody else at main. `reset` names no record:
 * more has changed than entries name.
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
