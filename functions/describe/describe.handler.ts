/** Public documents, and requests that match no route. It needs no store, so it answers even if all stores are unreachable. */
import { routes } from '../../lib/api/generated/routes.ts';
import { serve } from '../../lib/api/serve.ts';
import { noRoute } from '../../lib/http/no-route.ts';
import { readDocs, readDocsFile } from './docs.ts';
import { readAsyncApi, readOpenApi, readVersion } from './documents.ts';
import { readIndex } from './read-index.ts';
import { readProblem } from './read-problem.ts';

export const handler = serve('describe', {
  parts: () => undefined,
  steps: { readIndex, readVersion, readOpenApi, readDocs, readDocsFile, readAsyncApi, readProblem },
  otherwise: noRoute(Object.values(routes)),
});
