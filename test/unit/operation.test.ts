/** Contracts and steps that must not compile: `tsc` fails where one of these stops being an error. */
import * as z from 'zod/mini';
import { describe, expect, it } from 'vitest';
import { serve } from '../../lib/api/serve.ts';
import { answer, noSuchUuid, operation } from '../../lib/http/operation.ts';
import { readHealth } from '../../lib/status/operations.ts';
import { uuid } from '../../lib/values/uuid.ts';

const open = operation({
  method: 'GET',
  path: '/things/{id}',
  function: 'describe',
  access: 'public',
  summary: 'A thing',
  params: { id: uuid },
  answers: { 200: z.object({ name: z.string() }) },
  example: { params: { id: noSuchUuid } },
});

const closed = operation({
  method: 'POST',
  path: '/things',
  function: 'describe',
  access: 'read:observations',
  summary: 'A new thing',
  body: z.object({ name: z.string() }),
  answers: { 201: z.object({ name: z.string() }), 202: z.object({ later: z.literal(true) }) },
  example: { body: { name: 'x' } },
});

describe('operation', () => {
  it('rejects a path parameter without a schema, and a schema without a path parameter', () => {
    const rest = { method: 'GET', function: 'describe', access: 'public', summary: '', answers: {} } as const;
    // @ts-expect-error params is missing
    operation({ ...rest, path: '/things/{id}', example: { params: { id: '1' } } });
    // @ts-expect-error the path has no parameter
    operation({ ...rest, path: '/things', params: { id: uuid }, example: {} });
    // @ts-expect-error the example does not fill the path
    operation({ ...rest, path: '/things/{id}', params: { id: uuid }, example: {} });
    expect(open.params.id).toBe(uuid);
  });
});

describe('answer', () => {
  it('gives a step parsed values, and the principal unless the operation is public', () => {
    answer(open, async ({ params }) => ({ status: 200, body: { name: params.id } }));
    answer(closed, async ({ body, principal }) => ({
      status: 201,
      body: { name: body.name + principal.id },
    }));
    // @ts-expect-error a public operation has no principal
    answer(open, async ({ principal }) => ({ status: 200, body: { name: String(principal) } }));
    // @ts-expect-error the operation takes no query
    answer(open, async ({ query }) => ({ status: 200, body: { name: String(query.name) } }));
  });

  it('rejects an undeclared status and the body of another status', () => {
    // @ts-expect-error 204 is not declared
    answer(open, async () => ({ status: 204 }));
    // @ts-expect-error the name is missing
    answer(open, async () => ({ status: 200, body: {} }));
    // @ts-expect-error 202 has another body
    answer(closed, async ({ body }) => ({ status: 202, body: { name: body.name } }));
    // @ts-expect-error the answer is not a page
    answer(open, async () => ({ status: 200, text: '<p>' }));
  });
});

describe('serve', () => {
  it('requires a step for every operation of the function', () => {
    const step = answer(readHealth, async () => {
      throw new Error('not called');
    });
    serve('health', { parts: () => undefined, steps: { readHealth: step } });
    // @ts-expect-error readHealth is missing
    serve('health', { parts: () => undefined, steps: {} });
    const needy = answer(readHealth, async (_, parts: { readonly n: number }) => {
      throw new Error(String(parts.n));
    });
    // @ts-expect-error the step needs other parts
    serve('health', { parts: () => undefined, steps: { readHealth: needy } });
  });

  it('requires `identify` where an operation is not public', () => {
    // @ts-expect-error identify and steps are missing
    expect(() => serve('query', { parts: () => undefined })).toThrow();
  });
});
