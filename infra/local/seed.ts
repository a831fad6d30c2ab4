/** Loads the reference data of a sample observatory, in the local stack only. */
import pg from 'pg';
import { observatorySql } from './seed-observatory.ts';

/** Fills an empty database and leaves others unchanged. */
export async function seed(mainUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: mainUrl });
  await client.connect();
  try {
    await client.query('begin');
    await client.query('lock table obs_unit in share row exclusive mode');
    const { rowCount } = await client.query('select from obs_unit limit 1');
    if (rowCount === 0) await client.query(observatorySql);
    await client.query('commit');
  } finally {
    await client.end();
  }
}
