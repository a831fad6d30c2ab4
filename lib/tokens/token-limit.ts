/** How many API tokens one user may have: a place is taken before a token is made, so that many who ask at once do not get more. */
import * as z from 'zod/mini';
import { reserveTokenScript } from '../redis/generated/scripts.ts';
import { listTokens, type StoredToken } from './token-store.ts';
import type { Site } from '../redis/site.ts';

const limits = {
  /** each has a rate of its own */
  live: 100,
  /** those that have ended are shown for a month: a user who makes and ends them without end has to wait */
  shown: 1000,
} as const;

/** Longer than a request may take: a place that was not used is free again. */
const placeMilliseconds = 30_000;

const verdict = z.enum(['taken', 'live', 'shown', 'changed_meanwhile']);
const mostTries = 20;

export type TokenLimit = { readonly limit: 'live' | 'shown'; readonly most: number };

/**
 * Takes the place of the token with `hash`.
 * @param except tokens that are not counted: what is replaced
 * @returns the limit that has been reached; undefined if there is a place
 * @throws Error if others make tokens of this user all the time
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
  for (let tries = 0; tries < mostTries; tries += 1) {
    const theirs = await listTokens(site, owner);
    const live = theirs.filter((each) => isLive(each, now) && !except.includes(each.id));
    const answer = await reserveTokenScript(
      site.redis,
      [site.keys.tokensOf(owner), site.keys.tokensInTheMaking(owner)],
      [
        JSON.stringify({
          hash,
          shown: theirs.length,
          live: live.length,
          most_shown: limits.shown,
          most_live: limits.live,
          now_ms: now,
          until_ms: now + placeMilliseconds,
        }),
      ],
    );
    const judged = verdict.parse(answer);
    if (judged === 'taken') return undefined;
    if (judged !== 'changed_meanwhile') return { limit: judged, most: limits[judged] };
  }
  throw new Error(`the tokens of user ${owner} change all the time`);
}

/** The token is there and counted as such, or was not made. */
export async function releaseReservation({ redis, keys }: Site, owner: string, hash: string): Promise<void> {
  await redis.zrem(keys.tokensInTheMaking(owner), hash);
}

export function isLive({ revoked, expiresAt }: StoredToken, nowMilliseconds: number): boolean {
  return !revoked && (expiresAt ?? Infinity) * 1000 > nowMilliseconds;
}
