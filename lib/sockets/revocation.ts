import * as z from 'zod/mini';
import type { Holder } from './connections.ts';
import type { Site } from '../redis/site.ts';

const atOnce = 1000;

/** Ids of connections whose credential has expired, was revoked, or has lost a permission since the connection was opened. */
export async function withoutRight(
  { redis, keys }: Site,
  connections: readonly (Holder & { readonly id: string })[],
  nowMilliseconds: number,
): Promise<string[]> {
  const expired = connections.filter(({ expiresAt }) => (expiresAt ?? Infinity) * 1000 <= nowMilliseconds);
  const invalid = new Set(expired.map(({ id }) => id));
  for (let from = 0; from < connections.length; from += atOnce) {
    const chunk = connections.slice(from, from + atOnce);
    const pipeline = redis.pipeline();
    for (const { sessionId, tokenHash, principal } of chunk) {
      if (tokenHash === undefined) pipeline.exists(keys.revokedSession(sessionId ?? ''));
      else pipeline.hmget(keys.token(tokenHash), 'revoked', 'permissions');
      pipeline.hmget(keys.user(principal), 'active', 'permissions');
    }
    const answers = z.array(z.union([z.int(), z.array(z.nullable(z.string()))])).parse(await pipeline.exec());
    chunk.forEach((connection, index) => {
      const [credential = 0, owner = 0] = answers.slice(2 * index, 2 * index + 2);
      if (isRevoked(connection, credential) || isRestricted(connection, owner)) invalid.add(connection.id);
    });
  }
  return [...invalid];
}

type Answer = number | readonly (string | null)[];

/** A token that Redis has lost does not count as revoked. */
function isRevoked(holder: Holder, answer: Answer): boolean {
  if (typeof answer === 'number') return answer === 1;
  const [revoked, now] = answer;
  return revoked === '1' || hasLost(holder, now);
}

function isRestricted(holder: Holder, answer: Answer): boolean {
  if (typeof answer === 'number') return false;
  const [active, now] = answer;
  return active === '0' || hasLost(holder, now);
}

function hasLost({ permissions }: Holder, now: string | null | undefined): boolean {
  return typeof now === 'string' && !permissions.every((each) => now.split(' ').includes(each));
}
