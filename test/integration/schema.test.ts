import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { dumpMigratedSchema, schemaFile } from '../../infra/local/schema-dump.ts';

it('lib/postgres/schema.sql is what the migrations make (npm run db:dump writes it)', async () => {
  expect(await dumpMigratedSchema()).toBe(await readFile(schemaFile, 'utf8'));
});
