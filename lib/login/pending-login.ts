/**
 * A login between its steps. What goes through a URL is a state or a code: random, short-lived, good for one use, and worth
 * nothing without a verifier that never was in a URL (PKCE, RFC 7636), towards GitHub and towards the frontend alike.
 */
import * as z from 'zod/mini';
import { createHash } from 'node:crypto';
import type { Keys } from '../redis/keys.ts';
import { hashToken } from '../credentials/api-token.ts';
import type { Site } from '../redis/site.ts';

const codeSeconds = 60;

const pending = z.object({
  /** towards GitHub */
  verifier: z.string(),
  returnTo: z.string(),
  /** of the frontend */
  challenge: z.string(),
  /** `state` of the frontend */
  pageState: z.optional(z.string()),
});

export type PendingLogin = z.infer<typeof pending>;

/** Who comes back must have both: the state went through GitHub, the mark is a cookie of the browser that began. */
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

/** Takes it, once. */
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

/** Takes it, once, whether or not the verifier fits. @returns the user id */
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

/** Whether a page of an allow-listed origin may be returned to. */
export function isAllowedReturn(url: string, origins: readonly string[]): boolean {
  if (!URL.canParse(url)) return false;
  const { origin, username, password, hash } = new URL(url);
  return isFrontend(origin, origins) && username === '' && password === '' && hash === '';
}

/** @param origins each as `https://page.example`, or with any port: `http://localhost:*` */
export function isFrontend(origin: string, origins: readonly string[]): boolean {
  return origins.includes(origin) || origins.includes(`${origin.replace(/:\d+$/, '')}:*`);
}
