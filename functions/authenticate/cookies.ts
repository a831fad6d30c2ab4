/** Cookies that no script reads and no other site sends along: `__Host-` binds them to this origin. */
import type { Request } from '../../lib/http/request.ts';

const names = {
  /** the refresh token of a session */
  refresh: { name: '__Host-ops_refresh', sameSite: 'Strict' },
  /** which browser began a login; it comes back from GitHub, so that Lax is as strict as can be */
  login: { name: '__Host-ops_login', sameSite: 'Lax' },
} as const;

type Cookie = keyof typeof names;

export function writeCookie(cookie: Cookie, value: string, maxAgeSeconds: number): string {
  const { name, sameSite } = names[cookie];
  return `${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; Secure; SameSite=${sameSite}`;
}

export function readCookie({ cookies }: Pick<Request, 'cookies'>, cookie: Cookie): string | undefined {
  const start = `${names[cookie].name}=`;
  return cookies.find((each) => each.startsWith(start))?.slice(start.length);
}
