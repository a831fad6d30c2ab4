import { readProblem as contract } from '../../lib/api/description.ts';
import { answer } from '../../lib/http/operation.ts';
import { problem } from '../../lib/http/problem.ts';
import { cached } from './cached.ts';
import { htmlPage, pageHeaders, wantsHtml } from './page.ts';
import { describeProblem, problemPage } from './problems.ts';

export const readProblem = answer(contract, async (request) => {
  const described = describeProblem(request.params.code);
  if (!described) throw problem.notFound('No problem has this code.');
  return wantsHtml(request)
    ? {
        status: 200,
        headers: { ...cached, ...pageHeaders },
        text: htmlPage(described.title, problemPage(described)),
      }
    : { status: 200, headers: cached, body: described };
});
