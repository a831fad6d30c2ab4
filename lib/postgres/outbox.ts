import type { Database } from './connect.ts';

/** Whoever has not relayed them by then never will. */
const keptDays = 7;

/** Forgets old rows of the change outbox, the oldest first, some thousands at a time. @returns how many */
export async function pruneOutbox(main: Database): Promise<number> {
  const { rowCount } = await main.query(
    `delete from change_outbox where id in (
      select id from change_outbox where changed_at < now() - make_interval(days => $1) order by id limit 10000)`,
    [keptDays],
  );
  return rowCount ?? 0;
}
