/** Relays what others changed at main, from the outbox as a replica shows it, into the feed: each change once. */
import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import { script } from '../redis/script.ts';
import { feedAppendLua, streams } from './append.ts';

const relayScript = script(`
local relay, transfer, observations = unpack(KEYS)
local expected, reached, changes = ARGV[1], ARGV[2], cjson.decode(ARGV[3])
${feedAppendLua}
if (redis.call('GET', relay) or '') ~= expected then return 0 end
redis.call('SET', relay, reached)
if changes.transfer then feed_append(transfer, '${streams.transfer.wakes}', 'change', 'changed') end
for _, record in ipairs(changes.records) do
  feed_append(observations, '${streams.observations.wakes}', 'change', 'changed', 'record', record)
end
return 1
`);

const pageSize = 1000;

const outboxRow = z.object({ xid: z.string(), id: z.string(), table_name: z.string(), row_id: z.string() });

/** An identity is not commit order: only what is below the oldest transaction still running is complete. */
const settled = 'xid < pg_snapshot_xmin(pg_current_snapshot())';

/**
 * Relays one page of the outbox.
 * @returns whether there may be more
 */
export async function relayOutbox(redis: Redis, keys: Keys, replica: Database): Promise<boolean> {
  const cursor = z.nullable(z.string()).parse(await redis.get(keys.relay));
  const rows = cursor === null ? await lastRow(replica) : await rowsAfter(replica, cursor);
  const last = rows.at(-1);
  // A first relay begins at the end: what was changed before is in the snapshots.
  if (!last && cursor !== null) return false;
  const reached = last ? `${last.xid}:${last.id}` : '0:0';
  const records = rows.filter((row) => row.table_name === 'executed_obs_unit').map((row) => row.row_id);
  const transfer = cursor !== null && rows.some((row) => row.table_name !== 'executed_obs_unit');
  await relayScript(
    redis,
    [keys.relay, keys.feed(streams.transfer.stream), keys.feed(streams.observations.stream)],
    [
      cursor ?? '',
      reached,
      JSON.stringify({ transfer, records: cursor === null ? [] : [...new Set(records)] }),
    ],
  );
  return rows.length === pageSize;
}

/** Where the outbox ends that can be relayed; asks nothing of Redis. */
export async function outboxEnd(replica: Database): Promise<string> {
  const [last] = await lastRow(replica);
  return last ? `${last.xid}:${last.id}` : '';
}

async function rowsAfter(replica: Database, cursor: string) {
  const { rows } = await replica.query({
    name: 'outbox-after',
    text: `
      select xid::text, id::text, table_name, row_id from change_outbox
      where (xid, id) > ($1::text::xid8, $2::bigint) and ${settled}
      order by change_outbox.xid, change_outbox.id limit ${pageSize}`,
    values: cursor.split(':'),
  });
  return z.array(outboxRow).parse(rows);
}

async function lastRow(replica: Database) {
  const { rows } = await replica.query({
    name: 'outbox-end',
    text: `
      select xid::text, id::text, table_name, row_id from change_outbox
      where ${settled} order by change_outbox.xid desc, change_outbox.id desc limit 1`,
  });
  return z.array(outboxRow).parse(rows);
}
