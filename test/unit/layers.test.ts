import { ESLint } from 'eslint';
import { expect, it } from 'vitest';
import * as z from 'zod/mini';

const options = z.tuple([
  z.unknown(),
  z.object({ patterns: z.array(z.object({ regex: z.string(), message: z.string() })) }),
]);

/** The message of the lint rule for an import, undefined if it is allowed. */
async function messageFor(file: string, imported: string): Promise<string | undefined> {
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
])('the lint rule forbids %s to import %s and says what to do', async (file, imported) => {
  expect(await messageFor(file, imported)).toMatch(/move/);
});

it.each([
  ['lib/submission/submit.ts', '../buffer/accept.ts'],
  ['lib/buffer/accept.ts', './entry.ts'],
  ['lib/http/problem.ts', 'node:http'],
])('the lint rule allows %s to import %s', async (file, imported) => {
  expect(await messageFor(file, imported)).toBeUndefined();
});
