/** Brings the schema of main up to date; run at each deployment, before the other functions are replaced. */
import middy from '@middy/core';
import { fileURLToPath } from 'node:url';
import { readEnvironment, text } from '../../lib/config/environment.ts';
import { logLevel } from '../../lib/config/log-level.ts';
import { createLog } from '../../lib/observability/log.ts';
import { migrate } from '../../lib/postgres/migrate.ts';

const settings = readEnvironment({ MAIN_OWNER_DATABASE_URL: text });
const log = createLog(logLevel, { function: 'migrate' });

/** The bundle has the migrations beside it, and the functions. */
const directory = fileURLToPath(new URL('migrations', import.meta.url));

export const handler = middy().handler(async () => ({
  migrated: await migrate(settings.MAIN_OWNER_DATABASE_URL, directory, (message) => log.info(message)),
}));
