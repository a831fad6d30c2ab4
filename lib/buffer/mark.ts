/** Marks what main has said of transactions. Marks only go forward, and belong to a transaction, not to a record. */
import * as z from 'zod/mini';
import { feedAppendLua, streams } from '../change-feed/append.ts';
import { script } from '../redis/script.ts';
import type { InboxRow } from '../postgres/inbox.ts';
import { checksLua, recordLua } from './entry.ts';
import { overlayIndexLua } from './overlay-index.ts';
import { lifecycle, stateOfInbox } from '../transaction/lifecycle.ts';
import type { Site } from '../redis/site.ts';

const markScript = script(`
local pending, inflight, committed, main_down, feed, set_aside, drained, by_start, by_unit, unknown = unpack(KEYS, 1, 10)
local lsn, lsn_text, now, rows = ARGV[1], ARGV[2], tonumber(ARGV[3]), cjson.decode(ARGV[4])
${checksLua}
${recordLua}
${feedAppendLua}
${overlayIndexLua}
must(string.match(lsn, '^%d+$') and is_number(now), 'position or clock')
must_be('zset', pending, inflight, committed, set_aside, by_start, by_unit)
must_be('set', unknown)
must_be('stream', feed)
must_be('string', drained)
must(tonumber(redis.call('GET', drained) or 0), 'count')
for i, a in ipairs(rows) do
  must(is_reference(a.reference) and is_number(a.revision) and is_number(a.attempts), 'row')
  for _, name in ipairs({'id', 'aggregate', 'outcome', 'state', 'change', 'reason', 'records', 'obs_unit_id'}) do
    must(is_text(a[name]), name)
  end
  must_be('hash', KEYS[8 + 3 * i], KEYS[9 + 3 * i], KEYS[10 + 3 * i])
end

-- What was refused or given up is no longer known of the record: it can be done again, right.
local function forget(record, overlay, a)
  local r = read_record(record)
  if r.given_status and is_of(r.finished_by, r.finish, a.id) then
    redis.call('HDEL', record, 'given_status', 'end_time', 'end_at', 'given_metadata', 'finish', 'finished_by')
  end
  if r.unit and is_of(r.started_by, r.base, a.id) then
    unindex_overlay(by_start, by_unit, unknown, r.unit, r.start_ms, a.aggregate)
    if redis.call('EXISTS', overlay) == 1 then redis.call('SADD', unknown, a.aggregate) end
    redis.call('HDEL', record, 'obs_unit_id', 'start_ms', 'base', 'started_by')
  end
end

redis.call('DEL', main_down)
local marked, lacking = 0, {}
for i, a in ipairs(rows) do
  local tx, overlay, record = KEYS[8 + 3 * i], KEYS[9 + 3 * i], KEYS[10 + 3 * i]
  local known = redis.call('HMGET', tx, 'revision', 'reference', 'history', 'quiet')
  local has_body = redis.call('HEXISTS', overlay, 'b:' .. a.id) == 1
  if (tonumber(known[1] or 0) or 0) < a.revision then
    local history = known[3] or '[]'
    local entry = cjson.encode({at = now, state = a.state})
    history = history == '[]' and '[' .. entry .. ']' or string.sub(history, 1, -2) .. ',' .. entry .. ']'
    redis.call('ZADD', committed, lsn, a.reference)
    if a.state == 'committed' then
      redis.call('ZREM', set_aside, a.reference)
    else
      redis.call('ZADD', set_aside, string.match(a.reference, '^%d+'), a.reference)
    end
    if has_body then
      redis.call('HSET', overlay, 's:' .. a.id, cjson.encode({state = a.state, lsn = lsn_text,
        reason = a.reason, refused = a.outcome == 'refused'}))
    end
    if a.outcome == 'refused' or a.outcome == 'discarded' then forget(record, overlay, a) end
    if not known[4] then
      feed_append(feed, '${streams.observations.wakes}', 'change', a.change, 'record', a.aggregate,
        'obs_unit_id', a.obs_unit_id, 'transaction', a.id)
    end
    redis.call('PERSIST', tx)
    redis.call('HSET', tx, 'reference', a.reference, 'state', a.state, 'outcome', a.outcome, 'revision', a.revision,
      'lsn', lsn_text, 'attempts', a.attempts, 'reason', a.reason, 'records', a.records, 'history', history)
    marked = marked + 1
  end
  if known[2] and known[2] ~= a.reference then
    redis.call('ZREM', pending, known[2])
    redis.call('ZREM', inflight, known[2])
  end
  redis.call('ZREM', pending, a.reference)
  redis.call('ZREM', inflight, a.reference)
  if not has_body and redis.call('ZSCORE', committed, a.reference) then lacking[#lacking + 1] = a.id end
end
if marked > 0 then
  redis.call('INCRBY', drained, marked)
  redis.call('EXPIRE', drained, 120)
end
return {marked, lacking}
`);

const chunkSize = 200;

export interface Marked {
  /** how many have gone forward */
  readonly marked: number;
  /**
   * ids of those whose entry has no body: Redis had forgotten them. Until every replica has the row the body is nowhere at the
   * site but in the copy, which must not go before it is back (see \`heal\`).
   */
  readonly lacking: readonly string[];
}

const markAnswer = z.tuple([z.int(), z.array(z.string())]);

/**
 * Marks the given inbox rows as recorded at `lsn`, making the entry of any that Redis has forgotten.
 * @param lsn a commit position at or after that of the rows
 */
export async function mark(
  { redis, keys }: Site,
  rows: readonly InboxRow[],
  lsn: { readonly text: string; readonly value: bigint },
  nowMilliseconds: number,
): Promise<Marked> {
  let marked = 0;
  const lacking: string[] = [];
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
        keys.overlaid,
        keys.overlaidByUnit,
        keys.overlaidUnknown,
        ...chunk.flatMap((row) => [
          keys.transaction(row.id),
          keys.overlay(row.aggregate),
          keys.record(row.aggregate),
        ]),
      ],
      [String(lsn.value), lsn.text, nowMilliseconds, JSON.stringify(chunk.map(markOf))],
    );
    const [count, ids] = markAnswer.parse(answer);
    marked += count;
    lacking.push(...ids);
  }
  return { marked, lacking };
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
