import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { dumpMigratedSchema, schemaFile } from '../../infra/local/schema-dump.ts';

it('lib/postgres/schema.sql is up to date with the migrations (update with npm run db:dump)', async () => {
  expect(await dumpMigratedSchema()).toBe(await readFile(schemaFile, 'utf8'));
});
