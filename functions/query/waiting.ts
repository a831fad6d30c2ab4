/** Reads that wait: limited in number, and authenticated again before they answer. */
import { authenticateAgain } from '../../lib/credentials/authenticate.ts';
import type { Request } from '../../lib/http/request.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { orUnavailable } from '../../lib/smart-query/or-unavailable.ts';
import { defaultWaitSeconds, readWhen, type Wait } from '../../lib/smart-query/wait.ts';
import { enterWait } from '../../lib/smart-query/waiting.ts';
import type { QueryParts } from './parts.ts';

/** A request that has taken longer is authenticated again: a revocation must take effect within 5 s. */
const longMilliseconds = 3000;

/**
 * Reads until the value has reached the state that the request waits for.
 * @throws ProblemError 401 or 403 if the credential or permission was revoked meanwhile; 429, 503
 */
export async function readWaiting<T>(
  parts: QueryParts,
  request: Request & { readonly principal: Principal },
  wait: Wait,
  read: () => Promise<T | undefined>,
  stateOf: (value: T) => string,
): Promise<T | undefined> {
  const { requestId: id, principal, receivedAt } = request;
  const { timeout = defaultWaitSeconds } = wait;
  const place = { id, principal: principal.id, milliseconds: timeout * 1000 };
  const value = await orUnavailable(
    readWhen(read, stateOf, wait, () => enterWait(parts, place, parts.now())),
  );
  const now = parts.now();
  if (now - receivedAt > longMilliseconds) await authenticateAgain(parts, request, now);
  return value;
}
