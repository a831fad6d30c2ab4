/**
 * `npm run db:dump`: writes the schema that results from the migrations, read from the catalogs in a fixed order, so that a
 * diff shows changes of the schema. (The binaries do not include pg_dump.)
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate } from '../../lib/postgres/migrate.ts';
import { createClusters, startMain } from './postgres.ts';

export const schemaFile = fileURLToPath(new URL('../../lib/postgres/schema.sql', import.meta.url));

/** The statements for everything in schema `public`, sorted within each kind. */
const statements = `
with tables as (
  select c.oid, c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
)
select text from (
  select 1 as kind, relname as name, format(E'create table %I (\\n%s\\n);', relname, (
    select string_agg(format('  %I %s%s%s', attname, format_type(atttypid, atttypmod),
      case when attnotnull then ' not null' else '' end,
      case when attidentity <> '' then ' generated as identity'
        when d.adbin is not null then ' default ' || pg_get_expr(d.adbin, d.adrelid) else '' end), E',\\n' order by attname)
    from pg_attribute a left join pg_attrdef d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    where a.attrelid = tables.oid and attnum > 0 and not attisdropped)) as text from tables
  union all
  select 2, conname || conrelid::regclass::text, format('alter table %s add constraint %I %s;', conrelid::regclass, conname,
    pg_get_constraintdef(oid))
  from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'
  union all
  select 3, indexname, indexdef || ';' from pg_indexes
  where schemaname = 'public' and indexname not in (select conname from pg_constraint)
  union all
  select 4, proname, rtrim(pg_get_functiondef(oid)) || ';' from pg_proc where pronamespace = 'public'::regnamespace
  union all
  select 5, tgname, pg_get_triggerdef(oid) || ';' from pg_trigger where not tgisinternal
) everything order by kind, name`;

/** The schema of the database at `url`. */
export async function dumpSchema(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ text: string }>(statements);
    return `-- The schema as the migrations make it. Written by: npm run db:dump\n\n${rows.map(({ text }) => text).join('\n\n')}\n`;
  } finally {
    await client.end();
  }
}

/** The schema of a newly migrated database. */
export async function dumpMigratedSchema(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
  const options = { directory: join(directory, 'postgres'), durable: false };
  await createClusters(options);
  const main = await startMain(options);
  try {
    await migrate(
      main.url,
      fileURLToPath(new URL('../../lib/postgres/migrations', import.meta.url)),
      () => undefined,
    );
    return await dumpSchema(main.url);
  } finally {
    await main.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) await writeFile(schemaFile, await dumpMigratedSchema());
