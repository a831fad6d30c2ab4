/** `npm run break-glass -- LOGIN [--id N] [--reason TEXT] [--main URL]`: makes a user an admin at main when no admin is left. */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { breakGlass } from '../lib/users/break-glass.ts';
import { connectPostgres } from '../lib/postgres/connect.ts';

const usage =
  'Usage: npm run break-glass -- LOGIN [--id N] [--reason TEXT] [--main URL]\n' +
  'The database is --main, else MAIN_DATABASE_URL, else that of the local stack.';
const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: { id: { type: 'string' }, reason: { type: 'string' }, main: { type: 'string' } },
});
const [login, ...rest] = positionals;
if (login === undefined || rest.length > 0) fail(usage);

const main = connectPostgres({ url: await mainUrl(), applicationName: 'break-glass' });
try {
  const result = await breakGlass(main, {
    login,
    id: options.id,
    reason: options.reason ?? 'break-glass',
    operator: `${process.env.USER ?? String(process.getuid?.())}@${hostname()}`,
  });
  if ('admin' in result) {
    const { login: name, principal } = result.admin;
    console.log(
      `${name} (${principal}) is now an active admin at main, and the change is audited. It takes effect at the site within a ` +
        'minute after its replication. Log in again: ended sessions stay ended.',
    );
  } else if (result.candidates.length === 0) {
    fail(`No user has ever logged in as ${login}. Let the user log in once, then run this again.`);
  } else {
    const list = result.candidates.map((each) => `--id ${each.principal} (${each.login}, ${each.role})`);
    fail(`Several users match. Choose one: ${list.join(', ')}.`);
  }
} catch (error) {
  fail(`Nothing was changed: ${error instanceof Error ? error.message : String(error)}`);
} finally {
  await main.end();
}

async function mainUrl(): Promise<string> {
  const given = options.main ?? process.env.MAIN_DATABASE_URL;
  if (given !== undefined) return given;
  const stack = await readFile('.local/stack.json', 'utf8').catch(() => fail(usage));
  return (JSON.parse(stack) as { main: string }).main;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
