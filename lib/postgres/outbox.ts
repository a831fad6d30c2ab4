import * as z from 'zod/mini';
import type { Database } from './connect.ts';

/** A relay that has not read a row by then finds in `change_outbox_pruned` that it has missed changes. */
const keptDays = 7;

const counted = z.tuple([z.object({ count: z.int() })]);

/** Deletes old rows of the change outbox, oldest first, up to 10,000 per call. @returns the number of deleted rows */
export async function pruneOutbox(main: Database): Promise<number> {
  const { rows } = await main.query(
    `with pruned as (
      delete from change_outbox where id in (
        select id from change_outbox where changed_at < now() - make_interval(days => $1) order by id limit 10000)
      returning xid, id
    ), marked as (
      insert into change_outbox_pruned (xid, id) select xid, id from pruned order by xid desc, id desc limit 1
      on conflict (is_only) do update set xid = excluded.xid, id = excluded.id
        where (excluded.xid, excluded.id) > (change_outbox_pruned.xid, change_outbox_pruned.id)
    )
    select count(*)::integer as count from pruned`,
    [keptDays],
  );
  return counted.parse(rows)[0].count;
}
