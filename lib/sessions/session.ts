/**
 * Sessions: a short-lived access token, and a refresh token in a cookie that is replaced with each use. If a replaced refresh token
 * is presented, it was copied, and the session ends. Sessions exist only in Redis; if it loses one, the user logs in again.
 */
import { createHash, createHmac } from 'node:crypto';
import * as z from 'zod/mini';
import { redisHash } from '../redis/hash.ts';
import { rotateSessionScript } from '../redis/generated/scripts.ts';
import { hashToken } from '../credentials/api-token.ts';
import type { Site } from '../redis/site.ts';

/** Longest life of an access token, for which a revoked session is remembered. */
export const accessTokenSeconds = 30 * 60;

/** For this time, a request may be repeated after its answer was lost. */
const repeatMilliseconds = 30_000;

const clockSkewSeconds = 60;

/**
 * `<handle>.<secret>`, of which only a hash is stored. The id of a session is a hash of the handle, so that the id, which appears in
 * access tokens and in the audit, is not enough to end the session.
 */
export interface RefreshToken {
  readonly sessionId: string;
  readonly text: string;
}

/** The first refresh token of a session. @param random 48 random bytes */
export function mintRefreshToken(random: Uint8Array): RefreshToken {
  const text = (from: number, to: number) => Buffer.from(random.subarray(from, to)).toString('base64url');
  const handle = text(0, 16);
  return { sessionId: sessionOf(handle), text: `${handle}.${text(16, 48)}` };
}

/** @returns undefined if the text is malformed */
export function readRefreshToken(text: string | undefined): RefreshToken | undefined {
  const [, handle] = /^([\w-]{22})\.[\w-]{43}$/.exec(text ?? '') ?? [];
  return handle === undefined || text === undefined ? undefined : { sessionId: sessionOf(handle), text };
}

/**
 * The next refresh token, derived from the current one: two tabs that refresh at the same time get the same token.
 * @param key secret
 */
export function refreshTokenAfter({ sessionId, text }: RefreshToken, key: Uint8Array): RefreshToken {
  const [handle = ''] = text.split('.');
  return { sessionId, text: `${handle}.${createHmac('sha256', key).update(text).digest('base64url')}` };
}

function sessionOf(handle: string): string {
  return createHash('sha256').update(handle).digest('base64url').slice(0, 22);
}

/** @param endsAt unix seconds; after it, only an outage keeps the session open, for `outageSeconds` */
export async function openSession(
  { redis, keys }: Site,
  { sessionId, text }: RefreshToken,
  { principal, endsAt, outageSeconds }: { principal: string; endsAt: number; outageSeconds: number },
): Promise<void> {
  const pipeline = redis.multi();
  pipeline.hset(keys.session(sessionId), { principal, ends_at: endsAt, current: hashToken(text) });
  pipeline.expireat(keys.session(sessionId), endsAt + outageSeconds + accessTokenSeconds);
  await pipeline.exec();
}

const rotation = z.discriminatedUnion('state', [
  z.object({ state: z.literal('unknown') }),
  z.object({ state: z.literal('reused'), principal: z.string() }),
  z.object({ state: z.literal('over'), principal: z.string(), ends_at: z.number() }),
  z.object({
    state: z.literal('rotated'),
    principal: z.string(),
    /** unix seconds */
    ends_at: z.number(),
    /** only an outage keeps it open */
    extended: z.boolean(),
    is_first: z.optional(z.boolean()),
  }),
]);

export type Rotation = z.infer<typeof rotation>;

/** Replaces `presented` by `following`, once. */
export async function rotateSession(
  { redis, keys }: Site,
  { presented, following }: { readonly presented: RefreshToken; readonly following: RefreshToken },
  when: { readonly nowMilliseconds: number; readonly isOutage: boolean; readonly outageSeconds: number },
): Promise<Rotation> {
  const answer = await rotateSessionScript(
    redis,
    [keys.session(presented.sessionId), keys.revokedSession(presented.sessionId)],
    [
      JSON.stringify({
        presented: hashToken(presented.text),
        following: hashToken(following.text),
        now_ms: when.nowMilliseconds,
        is_outage: when.isOutage,
        outage_seconds: when.outageSeconds,
        repeat_ms: repeatMilliseconds,
        ended_seconds: accessTokenSeconds + clockSkewSeconds,
      }),
    ],
  );
  return rotation.parse(JSON.parse(z.string().parse(answer)));
}

/** Ends a session from the next request on, and its sockets. @returns the user id */
export async function endSession(
  { redis, keys }: Site,
  sessionId: string,
  lifeSeconds: number = accessTokenSeconds,
): Promise<string | undefined> {
  const pipeline = redis.multi();
  pipeline.hget(keys.session(sessionId), 'principal');
  pipeline.set(keys.revokedSession(sessionId), '1', { ex: lifeSeconds + clockSkewSeconds });
  pipeline.del(keys.session(sessionId));
  const [principal] = await pipeline.exec<[string | null, unknown, unknown]>();
  return principal ?? undefined;
}

const shownSession = z.object({ ends_at: z.string(), extended: z._default(z.string(), '0') });

/** The end of a session, and whether only an outage keeps it open. */
export async function readSession({ redis, keys }: Site, sessionId: string) {
  const found = redisHash.parse(await redis.hgetall(keys.session(sessionId)));
  if (found === null) return undefined;
  const { ends_at, extended } = shownSession.parse(found);
  return { endsAt: Number(ends_at), extended: extended === '1' };
}
