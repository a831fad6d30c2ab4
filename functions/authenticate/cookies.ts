/** Cookies that scripts cannot read. `__Host-` binds them to this origin, and SameSite keeps other sites from sending them. */
import type { Request } from '../../lib/http/request.ts';

const names = {
  /** the refresh token of a session */
  refresh: { name: '__Host-ops_refresh', sameSite: 'Strict' },
  /** identifies the browser that started a login; Strict is impossible because the browser returns from GitHub */
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
