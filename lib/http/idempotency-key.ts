import { problem } from './problem.ts';
import type { Request } from './request.ts';

/**
 * The Idempotency-Key of a request, if it has one.
 * @throws ProblemError 400
 */
export function idempotencyKeyOf(request: Request): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (!/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw problem.badRequest('An Idempotency-Key must have 1 to 255 printable ASCII characters.');
  }
  return key;
}
