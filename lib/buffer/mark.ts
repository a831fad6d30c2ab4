/** Marks what main has said of transactions. Marks only go forward, and belong to a transaction, not to a record. */
import * as z from 'zod/mini';
import { feedAppendLua, streams } from '../change-feed/append.ts';
import type { Keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { script } from '../redis/script.ts';
import type { InboxRow } from '../postgres/inbox.ts';
import { lifecycle, stateOfInbox } from '../transaction/lifecycle.ts';

const markScript = script(`
local pending, inflight, committed, main_down, feed, set_aside, drained = unpack(KEYS, 1, 7)
local lsn, lsn_text, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
${feedAppendLua}
redis.call('DEL', main_down)
local marked = 0
for i, text in ipairs(cjson.decode(ARGV[4])) do
  local a = text
  local tx, overlay = KEYS[6 + 2 * i], KEYS[7 + 2 * i]
  local known = redis.call('HMGET', tx, 'revision', 'reference', 'history', 'quiet')
  if known[2] and known[2] ~= a.reference then
    redis.call('ZREM', pending, known[2])
    redis.call('ZREM', inflight, known[2])
  end
  redis.call('ZREM', pending, a.reference)
  redis.call('ZREM', inflight, a.reference)
  if tonumber(known[1] or 0) < a.revision then
    local history = known[3] or '[]'
    local entry = cjson.encode({at = now, state = a.state})
    history = history == '[]' and '[' .. entry .. ']' or string.sub(history, 1, -2) .. ',' .. entry .. ']'
    redis.call('HSET', tx, 'reference', a.reference, 'state', a.state, 'outcome', a.outcome, 'revision', a.revision,
      'lsn', lsn_text, 'attempts', a.attempts, 'reason', a.reason, 'records', a.records, 'history', history)
    redis.call('PERSIST', tx)
    redis.call('ZADD', committed, lsn, a.reference)
    if a.state == 'committed' then
      redis.call('ZREM', set_aside, a.reference)
    else
      redis.call('ZADD', set_aside, string.match(a.reference, '^%d+'), a.reference)
    end
    if redis.call('HEXISTS', overlay, 'b:' .. a.id) == 1 then
      redis.call('HSET', overlay, 's:' .. a.id, cjson.encode({state = a.state, lsn = lsn_text,
        reason = a.reason, refused = a.outcome == 'refused'}))
    end
    if not known[4] then
      feed_append(feed, '${streams.observations.wakes}', 'change', a.change, 'record', a.aggregate,
        'obs_unit_id', a.obs_unit_id, 'transaction', a.id)
    end
    marked = marked + 1
  end
end
if marked > 0 then
  redis.call('INCRBY', drained, marked)
  redis.call('EXPIRE', drained, 120)
end
return marked
`);

const chunkSize = 200;

/**
 * Marks the given inbox rows as recorded at `lsn`, making the entry of any that Redis has forgotten.
 * @param lsn a commit position at or after that of the rows
 */
export async function mark(
  redis: Redis,
  keys: Keys,
  rows: readonly InboxRow[],
  lsn: { readonly text: string; readonly value: bigint },
  nowMilliseconds: number,
): Promise<number> {
  let marked = 0;
  for (let from = 0; from < rows.length; from += chunkSize) {
    const chunk = rows.slice(from, from + chunkSize);
    const answer = await markScript(
      redis,
      [
        keys.pending,
        keys.inflight,
        keys.committed,
        keys.mainDown,
        keys.feed(streams.observations.stream),
        keys.setAside,
        keys.drained(Math.floor(nowMilliseconds / 10_000)),
        ...chunk.flatMap((row) => [keys.transaction(row.id), keys.overlay(row.aggregate)]),
      ],
      [String(lsn.value), lsn.text, nowMilliseconds, JSON.stringify(chunk.map(markOf))],
    );
    marked += z.int().parse(answer);
  }
  return marked;
}

function markOf(row: InboxRow) {
  const state = stateOfInbox(row);
  return {
    id: row.id,
    aggregate: row.aggregate,
    reference: `${row.stamp}:${row.aggregate}:${row.id}`,
    revision: row.revision,
    attempts: row.attempts,
    outcome: row.outcome,
    state,
    // a watcher of the transaction sees that it was given up
    change: lifecycle[state].change ?? 'committed',
    reason: row.reason ?? '',
    records: JSON.stringify(row.recordIds),
    obs_unit_id: row.obsUnitId === null ? '' : String(row.obsUnitId),
  };
}
