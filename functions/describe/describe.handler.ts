/** What anybody may ask, and what no route matches. It asks no store: it answers whatever else is away. */
import { serve } from '../../lib/api/serve.ts';
import { routes } from '../../lib/api/generated/routes.ts';
import { noRoute } from '../../lib/http/no-route.ts';
import { readAsyncApi, readVersion } from './documents.ts';
import { readIndex } from './read-index.ts';
import { readProblem } from './read-problem.ts';

export const handler = serve('describe', {
  parts: () => undefined,
  steps: { readIndex, readVersion, readAsyncApi, readProblem },
  otherwise: noRoute(Object.values(routes)),
});
