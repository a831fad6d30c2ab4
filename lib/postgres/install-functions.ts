/** Installs the functions of this release, one per file, into the schema of the release. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { dataErrorSqlStates } from '../transaction/failure.ts';
import { referencedTables, tables } from '../table/tables.ts';
import { keptReleases, release, releaseSchema, schemaOfRelease } from './release.ts';

/** Serializes installations; waits no longer than `lock_timeout`. */
const lockId = 7306;

/**
 * Replaces the schema unless it already contains exactly these functions. Uses one transaction, so that callers see either the old
 * functions or the new ones.
 * @param directory with one `create function` per file, installed in order of file names
 * @returns whether the functions were installed
 * @throws Error if a lock is not available within 5 s; the deployment must be repeated
 */
export async function installFunctions(client: Client, directory: string): Promise<boolean> {
  const sources = [generated(), ...(await readSources(directory))];
  const hash = createHash('sha256').update(sources.join('\0')).digest('hex');
  await client.query('begin');
  try {
    await client.query("set local lock_timeout = '5s'");
    await client.query('select pg_advisory_xact_lock($1)', [lockId]);
    const isNew = (await installedHash(client)) !== hash;
    if (isNew) await install(client, sources, hash);
    for (let old = release - keptReleases; old > 0; old -= 1) {
      await client.query(`drop schema if exists ${schemaOfRelease(old)} cascade`);
    }
    await client.query('commit');
    return isNew;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

async function readSources(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')));
}

async function installedHash(client: Client): Promise<string | null> {
  const { rows } = await client.query<{ hash: string | null }>(
    "select obj_description(oid, 'pg_namespace') as hash from pg_namespace where nspname = $1",
    [releaseSchema],
  );
  return rows[0]?.hash ?? null;
}

async function install(client: Client, sources: readonly string[], hash: string): Promise<void> {
  await client.query(`drop schema if exists ${releaseSchema} cascade`);
  await client.query(`create schema ${releaseSchema}`);
  await client.query(`grant usage on schema ${releaseSchema} to public`);
  await client.query(`comment on schema ${releaseSchema} is '${hash}'`);
  // functions with `set search_path from current` keep this path
  await client.query(`set local search_path = ${releaseSchema}, public`);
  for (const source of sources) await client.query(source);
  await client.query('set local search_path = public');
}

/** Functions that return lists defined in TypeScript. */
function generated(): string {
  const json = (value: unknown) => `'${JSON.stringify(value)}'::jsonb`;
  return `
    create function tables() returns jsonb language sql immutable return ${json(tables)};
    create function referenced_tables() returns jsonb language sql immutable return ${json(referencedTables)};
    create function data_error_states() returns text[] language sql immutable return '{${dataErrorSqlStates.join()}}'::text[];`;
}
