/** Limits the API tokens of a user. Each token is reserved before it is created, so that concurrent requests cannot exceed a limit. */
import * as z from 'zod/mini';
import { reserveTokenScript } from '../redis/generated/scripts.ts';
import { listTokens, type StoredToken } from './token-store.ts';
import type { Site } from '../redis/site.ts';

const limits = {
  /** bounds the total rate, since each token has its own rate limit */
  live: 100,
  /** revoked and expired tokens are listed for a month, and count here */
  shown: 1000,
} as const;

/** A reservation expires after this time, longer than a request may take. */
const reservationMilliseconds = 30_000;

const verdict = z.enum(['taken', 'live', 'shown', 'changed_meanwhile']);
const maxTries = 20;

export type TokenLimit = { readonly limit: 'live' | 'shown'; readonly most: number };

/**
 * Reserves the token with `hash`.
 * @param except tokens that are not counted because they are replaced
 * @returns the limit that has been reached, or undefined if the token was reserved
 * @throws Error if concurrent changes prevent every attempt
 */
export async function reserveToken(
  site: Site,
  owner: string,
  {
    hash,
    except,
    nowMilliseconds: now,
  }: { hash: string; except: readonly string[]; nowMilliseconds: number },
): Promise<TokenLimit | undefined> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const tokens = await listTokens(site, owner);
    const live = tokens.filter((each) => isLive(each, now) && !except.includes(each.id));
    const answer = await reserveTokenScript(
      site.redis,
      [site.keys.tokensOf(owner), site.keys.tokensInTheMaking(owner)],
      [
        JSON.stringify({
          hash,
          shown: tokens.length,
          live: live.length,
          most_shown: limits.shown,
          most_live: limits.live,
          now_ms: now,
          until_ms: now + reservationMilliseconds,
        }),
      ],
    );
    const judged = verdict.parse(answer);
    if (judged === 'taken') return undefined;
    if (judged !== 'changed_meanwhile') return { limit: judged, most: limits[judged] };
  }
  throw new Error(`no token of user ${owner} could be reserved because of concurrent changes`);
}

/** Call once the token exists, or could not be created. */
export async function releaseReservation({ redis, keys }: Site, owner: string, hash: string): Promise<void> {
  await redis.zrem(keys.tokensInTheMaking(owner), hash);
}

export function isLive({ revoked, expiresAt }: StoredToken, nowMilliseconds: number): boolean {
  return !revoked && (expiresAt ?? Infinity) * 1000 > nowMilliseconds;
}
