import { whyNotStorable } from '../values/text.ts';
import { shortened } from './json-fault.ts';
import { problem } from './problem.ts';

/**
 * The query parameters of a request. API Gateway joins repeated ones by commas, so that they are told apart here alone.
 * @param raw the query as the client wrote it
 * @throws ProblemError 400 for a repeated parameter, for any if the route takes none, and for text that cannot be stored
 */
export function readQuery(
  raw: string,
  { takesQuery = false }: { readonly takesQuery?: boolean },
): Readonly<Record<string, string>> {
  const query = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(raw)) {
    if (!takesQuery) {
      throw problem.badRequest(`${shortened(key)}: this request takes no query parameters.`, {
        code: 'unknown-parameter',
      });
    }
    if (query.has(key)) {
      throw problem.badRequest(`${shortened(key)}: give it once.`, { code: 'repeated-parameter' });
    }
    requireStorable(key, value);
    if (value.includes('\ufffd') && !/%EF%BF%BD/i.test(raw)) {
      throw problem.badRequest(`${shortened(key)}: is not percent-encoded UTF-8.`);
    }
    query.set(key, value);
  }
  return Object.fromEntries(query);
}

/** @throws ProblemError 400 */
export function requireStorable(name: string, value: string): void {
  const why = whyNotStorable(name) ?? whyNotStorable(value);
  if (why !== undefined) throw problem.badRequest(`${shortened(name)}: ${why}.`);
}
