/** What only Redis can tell of a credential, in one round trip; the accept script asks the same within its own. */
import * as z from 'zod/mini';
import { problem } from '../http/problem.ts';
import type { Redis } from '../redis/client.ts';
import { redisHash } from '../redis/hash.ts';
import type { Keys } from '../redis/keys.ts';
import { script } from '../redis/script.ts';
import type { ApiTokenClaim } from './api-token.ts';
import { permissions, type Permission } from './permissions.ts';
import type { Principal } from './principal.ts';
import { tokenFields } from './token-store.ts';

const sessionScript = script(`
local ended, user = unpack(KEYS)
local owner = redis.call('HMGET', user, 'active', 'permissions')
return {redis.call('EXISTS', ended), owner[1], owner[2]}
`);

const tokenScript = script(`
local token, tokens_loaded, user = unpack(KEYS)
local owner = redis.call('HMGET', user, 'active', 'permissions')
local known = redis.call('HGETALL', token)
if redis.call('HGET', token, 'principal') == ARGV[1] then
  redis.call('HINCRBY', token, 'uses', 1)
  redis.call('HSET', token, 'used_at', ARGV[2])
end
return {redis.call('EXISTS', tokens_loaded), owner[1], owner[2], known}
`);

const text = z.nullable(z.string());
const sessionAnswer = z.tuple([z.int(), text, text]);
const tokenAnswer = z.tuple([z.int(), text, text, redisHash]);

const tokenRecord = z.object(tokenFields);

/** @throws ProblemError 401, or 503 if it cannot be told */
export async function checkSession(redis: Redis, keys: Keys, session: Principal): Promise<Principal> {
  const asked = sessionScript(
    redis,
    [keys.revokedSession(session.sessionId ?? ''), keys.user(session.id)],
    [],
  );
  const [ended, active, allowed] = sessionAnswer.parse(await answered(asked));
  if (ended !== 0) throw problem.unauthorized('The session has been ended.');
  return within(session, active, allowed);
}

/** @throws ProblemError 401, or 503 if it cannot be told */
export async function checkToken(
  redis: Redis,
  keys: Keys,
  claim: ApiTokenClaim,
  nowMilliseconds: number,
): Promise<Principal> {
  const asked = tokenScript(
    redis,
    [keys.token(claim.hash), keys.tokensLoaded, keys.user(claim.principalId)],
    [claim.principalId, nowMilliseconds],
  );
  const [loaded, active, allowed, found] = tokenAnswer.parse(await answered(asked));
  if (found === null && loaded === 0) throw cannotTell();
  const token = tokenRecord.safeParse(found);
  if (!token.success || token.data.principal !== claim.principalId) {
    throw problem.unauthorized('The API token is not known.');
  }
  const { data } = token;
  if (data.revoked === '1') throw problem.unauthorized('The API token has been revoked.');
  if (data.expires_at !== '' && Number(data.expires_at) * 1000 <= nowMilliseconds) {
    throw problem.unauthorized('The API token has expired.');
  }
  const principal: Principal = {
    id: data.principal,
    name: data.name,
    role: data.role,
    permissions: permissions.filter((each) => data.permissions.split(' ').includes(each)),
    credential: 'api-token',
    tokenId: data.id,
    tokenHash: claim.hash,
    ...(data.expires_at !== '' && { expiresAt: Number(data.expires_at) }),
  };
  return within(principal, active, allowed);
}

/** A credential is worth no more than its owner is now. Whom Redis does not know it does not restrict: it may have forgotten. */
function within(principal: Principal, active: string | null, allowed: string | null): Principal {
  if (active === '0') throw problem.unauthorized('Its owner has been barred.');
  if (allowed === null) return principal;
  const has = (each: Permission) => allowed.split(' ').includes(each);
  return { ...principal, permissions: principal.permissions.filter(has) };
}

async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch {
    throw cannotTell();
  }
}

/** A credential that cannot be checked is not a wrong one. */
function cannotTell() {
  return problem.unavailable('Credentials cannot be checked at the moment. Please try again.', 2);
}
