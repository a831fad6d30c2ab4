/**
 * Sessions of people: a short access token, and a refresh token in a cookie that changes with each use. A refresh token that
 * comes back after it was replaced was copied: its session ends. Redis alone has sessions; what it loses logs in again.
 */
import { createHash, createHmac } from 'node:crypto';
import * as z from 'zod/mini';
import { redisHash } from '../redis/hash.ts';
import { rotateSessionScript } from '../redis/generated/scripts.ts';
import { hashToken } from '../credentials/api-token.ts';
import type { Site } from '../redis/site.ts';

/** An access token never lives longer: a revoked session is remembered for as long. */
export const accessTokenSeconds = 30 * 60;

/** An answer that was lost on the way may be asked for again, for so long. */
const repeatMilliseconds = 30_000;

const clockSkewSeconds = 60;

/**
 * `<handle>.<secret>`; at rest there is its hash. A session's id is a hash of the handle: whoever reads the id in an access token
 * or in the audit can present nothing that belongs to the session, and so cannot end it.
 */
export interface RefreshToken {
  readonly sessionId: string;
  readonly text: string;
}

/** The first of a session. @param random 48 random bytes */
export function mintRefreshToken(random: Uint8Array): RefreshToken {
  const text = (from: number, to: number) => Buffer.from(random.subarray(from, to)).toString('base64url');
  const handle = text(0, 16);
  return { sessionId: sessionOf(handle), text: `${handle}.${text(16, 48)}` };
}

/** @returns undefined if it cannot be one */
export function readRefreshToken(text: string | undefined): RefreshToken | undefined {
  const [, handle] = /^([\w-]{22})\.[\w-]{43}$/.exec(text ?? '') ?? [];
  return handle === undefined || text === undefined ? undefined : { sessionId: sessionOf(handle), text };
}

/**
 * The one that follows: two that present the same at once, as two tabs do, get the same, whichever answer comes last.
 * @param key nobody else's
 */
export function refreshTokenAfter({ sessionId, text }: RefreshToken, key: Uint8Array): RefreshToken {
  const [handle = ''] = text.split('.');
  return { sessionId, text: `${handle}.${createHmac('sha256', key).update(text).digest('base64url')}` };
}

function sessionOf(handle: string): string {
  return createHash('sha256').update(handle).digest('base64url').slice(0, 22);
}

/** @param endsAt unix seconds; beyond it only an outage keeps it open, for `outageSeconds` */
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
    /** it goes on only because there is an outage */
    extended: z.boolean(),
    is_first: z.optional(z.boolean()),
  }),
]);

export type Rotation = z.infer<typeof rotation>;

/** Takes `presented`, once, and puts `following` in its place. */
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

/** Takes effect with the next request, and ends its sockets. @returns whose it was */
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

/** Until when a session goes on, and whether only an outage keeps it open. */
export async function readSession({ redis, keys }: Site, sessionId: string) {
  const found = redisHash.parse(await redis.hgetall(keys.session(sessionId)));
  if (found === null) return undefined;
  const { ends_at, extended } = shownSession.parse(found);
  return { endsAt: Number(ends_at), extended: extended === '1' };
}
