/** Migrates the schema of main at each deployment, before the other functions are replaced. */
import middy from '@middy/core';
import { fileURLToPath } from 'node:url';
import { connect } from '../../lib/function/connect.ts';
import { traced } from '../../lib/function/traced.ts';
import { migrate } from '../../lib/postgres/migrate.ts';
import { spec } from './migrate.function.ts';

const connected = connect(spec, ({ settings, log }) => ({ main: settings.MAIN_OWNER_DATABASE_URL, log }));

/** The migrations and SQL functions are next to the bundle. */
const directory = fileURLToPath(new URL('migrations', import.meta.url));

async function bringUp(): Promise<object> {
  const { main, log } = connected();
  return { migrated: await migrate(main, directory, (message) => log.info(message)) };
}

export const handler = traced(middy<unknown, object>().handler(bringUp));
