import type { Claimant } from '../people/claimant.ts';
import type { Request } from '../http/request.ts';
import { readCredential } from './credential.ts';
import type { Principal } from '../people/principal.ts';

/** The credential that the accept script checks again, atomically with the write. */
export function claimantOf(request: Request, principal: Principal): Claimant {
  const credential = readCredential(request.headers.authorization);
  return credential.kind === 'api-token'
    ? credential
    : { kind: 'session', principalId: principal.id, sessionId: principal.sessionId ?? '' };
}
