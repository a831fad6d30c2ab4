/** Pages of a list: a limit, and a cursor that names where the last page ended and grants nothing. */
import * as z from 'zod/mini';
import { problem } from './problem.ts';
import type { Request } from './request.ts';

export function writeCursor(...parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** @throws ProblemError 400 unless `writeCursor` has written it */
export function readCursor<S extends z.ZodMiniType>(schema: S, cursor: string): z.infer<S> {
  try {
    const parts = z.array(z.union([z.string(), z.number()])).parse(JSON.parse(textOf(cursor)));
    if (writeCursor(...parts) === cursor) return schema.parse(parts);
  } catch {
    // refused below
  }
  throw problem.badRequest('cursor: take it from the Link header of the page before.', {
    code: 'invalid-cursor',
  });
}

function textOf(cursor: string): string {
  return Buffer.from(cursor, 'base64url').toString('utf8');
}

/** The header that names the next page of this request. */
export function nextLink(request: Request, cursor: string): Record<string, string> {
  const query = new URLSearchParams({ ...request.given.query, cursor });
  return { Link: `<${request.path}?${query.toString()}>; rel="next"` };
}
