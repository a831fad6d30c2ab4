/** Pages of a list. A cursor contains only the position at which the last page ended, and grants no access. */
import * as z from 'zod/mini';
import { problem } from './problem.ts';
import type { Request } from './request.ts';

export function writeCursor(...parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** @throws ProblemError 400 if the cursor was not written by `writeCursor` */
export function readCursor<S extends z.ZodMiniType>(schema: S, cursor: string): z.infer<S> {
  try {
    const parts = z.array(z.union([z.string(), z.number()])).parse(JSON.parse(textOf(cursor)));
    if (writeCursor(...parts) === cursor) return schema.parse(parts);
  } catch {
    // refused below
  }
  throw problem.badRequest('cursor: must come from the Link header of the previous page.', {
    code: 'invalid-cursor',
  });
}

function textOf(cursor: string): string {
  return Buffer.from(cursor, 'base64url').toString('utf8');
}

/** The header with the link to the next page of this request. */
export function nextLink(request: Request, cursor: string): Record<string, string> {
  const query = new URLSearchParams({ ...request.given.query, cursor });
  return { Link: `<${request.path}?${query.toString()}>; rel="next"` };
}
