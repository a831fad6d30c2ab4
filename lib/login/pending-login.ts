/**
 * A login between its steps. URLs contain only a state or a code: random, short-lived, single-use, and useless without a verifier
 * that is never in a URL (PKCE, RFC 7636). This holds for both exchanges, with GitHub and with the frontend.
 */
import * as z from 'zod/mini';
import { createHash } from 'node:crypto';
import type { Keys } from '../redis/keys.ts';
import { hashToken } from '../credentials/api-token.ts';
import type { Site } from '../redis/site.ts';

const codeSeconds = 60;

const pending = z.object({
  /** for the exchange with GitHub */
  verifier: z.string(),
  returnTo: z.string(),
  /** of the frontend */
  challenge: z.string(),
  /** `state` of the frontend */
  pageState: z.optional(z.string()),
});

export type PendingLogin = z.infer<typeof pending>;

/** The returning browser must present both: the state, which went through GitHub, and its cookie. */
export interface LoginKey {
  readonly state: string;
  readonly browser: string;
}

export async function saveLogin(
  { redis, keys }: Site,
  key: LoginKey,
  login: PendingLogin,
  lifeSeconds: number,
): Promise<void> {
  await redis.set(keyOf(keys, key), JSON.stringify(login), { ex: lifeSeconds });
}

/** Reads and deletes a login. */
export async function takeLogin({ redis, keys }: Site, key: LoginKey): Promise<PendingLogin | undefined> {
  const found = await redis.getdel<string>(keyOf(keys, key));
  return found === null ? undefined : pending.parse(JSON.parse(found));
}

function keyOf(keys: Keys, { state, browser }: LoginKey): string {
  return keys.loginState(hashToken(`${state} ${browser}`));
}

const finished = z.object({ principal: z.string(), challenge: z.string() });

export async function saveLoginCode(
  { redis, keys }: Site,
  code: string,
  login: z.infer<typeof finished>,
): Promise<void> {
  await redis.set(keys.loginCode(hashToken(code)), JSON.stringify(login), { ex: codeSeconds });
}

/** Reads and deletes a code, even if the verifier does not match. @returns the user id */
export async function takeLoginCode(
  { redis, keys }: Site,
  code: string,
  verifier: string,
): Promise<string | undefined> {
  const found = await redis.getdel<string>(keys.loginCode(hashToken(code)));
  if (found === null) return undefined;
  const { principal, challenge } = finished.parse(JSON.parse(found));
  return challengeOf(verifier) === challenge ? principal : undefined;
}

/** S256 */
export function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url');
}

/** Whether the URL belongs to an allowed origin. */
export function isAllowedReturn(url: string, origins: readonly string[]): boolean {
  if (!URL.canParse(url)) return false;
  const { origin, username, password, hash } = new URL(url);
  return isFrontend(origin, origins) && username === '' && password === '' && hash === '';
}

/** @param origins such as `https://page.example`, or `http://localhost:*` for any port */
export function isFrontend(origin: string, origins: readonly string[]): boolean {
  return origins.includes(origin) || origins.includes(`${origin.replace(/:\d+$/, '')}:*`);
}
