/** Reads that wait: a place among those that wait, and whether the asker may still have the answer. */
import { authenticateAgain } from '../../lib/credentials/authenticate.ts';
import type { Request } from '../../lib/http/request.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { orUnavailable } from '../../lib/smart-query/or-unavailable.ts';
import { defaultWaitSeconds, readWhen, type Wait } from '../../lib/smart-query/wait.ts';
import { enterWait } from '../../lib/smart-query/waiting.ts';
import type { QueryParts } from './parts.ts';

/** A right that was taken ends within five seconds. */
const longMilliseconds = 3000;

/**
 * What `read` gives once it is where the request waits for.
 * @throws ProblemError 401, 403 if the right to it was taken meanwhile; 429, 503
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
