/**
 * Change-feed entries are written by the script that makes the change they tell of. A position is the stream id; the
 * publication only wakes the broadcaster, which reads the stream.
 */

/** Streams, and the pub/sub channel that tells of each new entry. */
export const streams = {
  /** transitions of accepted transactions, and changes by others, of executed units with their packages and files */
  observations: { stream: 'executed_obs_units', wakes: 'executed_obs_unit_updates' },
  /** changes of packages and transfers */
  transfer: { stream: 'transfer.overview', wakes: 'transfer_updates' },
} as const;

/** What happened to a record: where its transaction has got to, or `changed` by somebody else at main. */
export type Change = 'buffered' | 'committed' | 'replicated' | 'failed' | 'changed';

/** Lua: `feed_append(stream key, pub/sub channel, field, value, …)`; gives the position. */
export const feedAppendLua = `
local function feed_append(stream, channel, ...)
  local position = redis.call('XADD', stream, 'MAXLEN', '~', 20000, '*', ...)
  redis.call('PUBLISH', channel, position)
  return position
end
`;
