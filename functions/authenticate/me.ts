import type { Principal } from '../../lib/people/principal.ts';
import { inTime } from '../../lib/audit/record-change.ts';
import { readSession } from '../../lib/sessions/session.ts';
import type { Redis } from '../../lib/redis/client.ts';
import type { Keys } from '../../lib/redis/keys.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';

/** The user of the request with their permissions and session; `extended` if only an outage keeps the session open. */
export async function describeMe(parts: { redis: Redis; keys: Keys }, principal: Principal) {
  const { id, name, role, permissions, credential, expiresAt, sessionId } = principal;
  const session = sessionId === undefined ? undefined : await inTime(readSession(parts, sessionId));
  return {
    id,
    name,
    role,
    permissions,
    credential,
    ...(expiresAt !== undefined && { expires_at: instantOfMilliseconds(expiresAt * 1000) }),
    ...(session && {
      session: { ends_at: instantOfMilliseconds(session.endsAt * 1000), extended: session.extended },
    }),
  };
}
