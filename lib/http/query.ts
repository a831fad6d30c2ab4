import { whyNotStorable } from '../values/text.ts';
import { shortened } from './json-fault.ts';
import { problem } from './problem.ts';

/**
 * Parses the raw query of a request, because API Gateway joins repeated parameters by commas.
 * @throws ProblemError 400 for a repeated parameter, for any parameter if the route takes none, and for text that cannot be stored
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
      throw problem.badRequest(`${shortened(key)}: must occur only once.`, { code: 'repeated-parameter' });
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
