/** What anybody may ask, and what no route matches. It asks no store: it answers whatever else is away. */
import asyncApi from '../../lib/change-feed/asyncapi.json' with { type: 'json' };
import { problem } from '../../lib/http/problem.ts';
import { serve, type Reply, type Request } from '../../lib/http/serve.ts';
import { htmlPage, indexPage, links, pageHeaders } from './index-page.ts';
import { describeProblem, problemPage } from './problems.ts';
import { release } from './release.ts';

/** It changes with a deployment alone. */
const cached = { 'Cache-Control': 'public, max-age=300', Vary: 'Accept' };

/** A browser asks for HTML, a script for anything or for JSON. */
function wantsHtml({ headers }: Request): boolean {
  return (headers.accept ?? '').includes('text/html');
}

function shown(request: Request, body: object, page: () => string): Reply {
  return wantsHtml(request)
    ? { status: 200, headers: { ...cached, ...pageHeaders }, text: page() }
    : { status: 200, headers: cached, body };
}

export const handler = serve('describe', {
  readIndex: async (request) =>
    shown(request, { name: 'Operations database', ...release, links }, () => indexPage(release.version)),

  readVersion: async () => ({ status: 200, headers: cached, body: release }),

  readAsyncApi: async () => ({ status: 200, headers: cached, body: asyncApi }),

  readProblem: async (request) => {
    const described = describeProblem(request.params.code ?? '');
    if (!described) throw problem.notFound('There is no such kind of problem.');
    return shown(request, described, () => htmlPage(described.title, problemPage(described)));
  },
});
