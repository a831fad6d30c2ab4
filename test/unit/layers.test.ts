import { ESLint } from 'eslint';
import { expect, it } from 'vitest';
import * as z from 'zod/mini';

const options = z.tuple([
  z.unknown(),
  z.object({ patterns: z.array(z.object({ regex: z.string(), message: z.string() })) }),
]);

/** What the lint rule says of an import. */
async function verdictOn(file: string, imported: string): Promise<string | undefined> {
  const config = z
    .object({ rules: z.object({ 'no-restricted-imports': options }) })
    .parse(await new ESLint().calculateConfigForFile(file));
  const [, { patterns }] = config.rules['no-restricted-imports'];
  return patterns.find(({ regex }) => new RegExp(regex, 'u').test(imported))?.message;
}

it.each([
  ['lib/buffer/accept.ts', '../submission/submit.ts'],
  ['lib/values/instant.ts', '../people/permissions.ts'],
  ['lib/http/middlewares/rate.ts', '../../credentials/ticket.ts'],
  ['lib/smart-query/merge.ts', '../../functions/query/query.handler.ts'],
  ['lib/smart-query/merge.ts', '../../infra/topology.ts'],
])('the lint rule refuses that %s imports %s, and says what to do', async (file, imported) => {
  expect(await verdictOn(file, imported)).toMatch(/move/);
});

it.each([
  ['lib/submission/submit.ts', '../buffer/accept.ts'],
  ['lib/buffer/accept.ts', './entry.ts'],
  ['lib/http/problem.ts', 'node:http'],
])('the lint rule lets %s import %s', async (file, imported) => {
  expect(await verdictOn(file, imported)).toBeUndefined();
});
