/** HTML pages, and the links of `GET /`. Pure. */
import type { Request } from '../../lib/http/request.ts';

export interface Links {
  readonly [name: string]: string;
}

/** Public paths, and the most important others. */
export const links: Links = {
  health: '/health',
  version: '/version',
  docs: '/docs',
  openapi: '/openapi.json',
  asyncapi: '/asyncapi.json',
  jwks: '/.well-known/jwks.json',
  login: '/github/login',
  executed_obs_units: '/executed_obs_units',
  buffer: '/api/buffer',
  transfer_overview: '/api/transfer/overview',
  live: '/api/transfer/ws/overview',
};

const style = 'body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}';

/** The page allows its own style and nothing else. */
export const pageHeaders = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
};

/** Browsers accept HTML explicitly; scripts accept anything or JSON. */
export function wantsHtml({ headers }: Pick<Request, 'headers'>): boolean {
  return (headers.accept ?? '').includes('text/html');
}

export function htmlPage(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${escape(title)}</title><style>${style}</style></head>
<body>
<h1>${escape(title)}</h1>
${content}
</body>
</html>
`;
}

export function indexPage(version: string): string {
  const items = Object.values(links).map((path) => `<li><a href="${path}">${path}</a></li>`);
  return htmlPage(
    'Operations database',
    `<p>The operations database of the observatory, version ${escape(version)}.</p>
<ul>
${items.join('\n')}
</ul>`,
  );
}

export function escape(text: string): string {
  const named: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (found) => named[found] ?? found);
}
