/** The page of the OpenAPI document: Swagger UI from the bundle, without a request to any other host. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { readDocs as pageContract, readDocsFile as fileContract } from '../../lib/api/description.ts';
import { answer } from '../../lib/http/operation.ts';
import { problem } from '../../lib/http/problem.ts';

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Operations database: HTTP API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const start = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });
`;

/** Allows this origin only, and data URLs, which Swagger UI uses for its icons. */
const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const cached = { 'Cache-Control': 'public, max-age=300' };

export const readDocs = answer(pageContract, async () => ({
  status: 200,
  headers: {
    ...cached,
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': contentSecurityPolicy,
  },
  text: page,
}));

/** Files that the bundler adds, compressed. */
const types: Readonly<Record<string, string>> = {
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
};

export const readDocsFile = answer(fileContract, async ({ params: { file }, headers }) => {
  if (file === 'start.js') {
    return {
      status: 200,
      headers: { ...cached, 'Content-Type': 'text/javascript; charset=utf-8' },
      text: start,
    };
  }
  const type = Object.hasOwn(types, file) ? types[file] : undefined;
  if (type === undefined) throw problem.notFound(`The page has no file ${file}.`);
  const bytes = await readFile(join(import.meta.dirname, 'docs', `${file}.gz`));
  const takesGzip = /\bgzip\b/.test(headers['accept-encoding'] ?? '');
  return {
    status: 200,
    headers: {
      ...cached,
      'Content-Type': type,
      Vary: 'Accept-Encoding',
      ...(takesGzip && { 'Content-Encoding': 'gzip' }),
    },
    bytes: takesGzip ? bytes : gunzipSync(bytes),
  };
});
