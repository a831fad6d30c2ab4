import { isDeepStrictEqual } from 'node:util';
import { listed } from '../../lib/api/operations.ts';
import { problemCodesOf } from '../../lib/api/problem-codes.ts';
import { pathPattern } from '../../lib/http/path-pattern.ts';
import type { Reply } from './test-stack.ts';

const matchers = listed
  .map((contract) => ({ contract, pattern: pathPattern(contract.path) }))
  // paths without parameters come first
  .sort((a, b) => a.contract.path.split('{').length - b.contract.path.split('{').length);

/**
 * Checks an answer against the contract of its operation: its status, its members, the code of its problem.
 * @throws Error that names the difference
 */
export function checkAnswer(method: string, path: string, { status, headers, body }: Reply): void {
  const [pathname = ''] = path.split('?');
  const found = matchers.find((each) => each.contract.method === method && each.pattern.test(pathname));
  const type = headers.get('content-type') ?? '';
  if (!found || (status === 304 && found.contract.etag) || type.startsWith('text/html')) return;
  if (isOfGateway(status, body)) return;
  const { contract } = found;
  const at = `${contract.operation} answers ${status}`;
  if (type === 'application/problem+json') {
    const codes: readonly string[] = problemCodesOf(contract);
    if (!codes.includes(String(body.code)))
      throw new Error(`${at} ${String(body.code)}, which it does not declare`);
    return;
  }
  const answer = contract.answers[status];
  if (answer === undefined) throw new Error(`${at}, which it does not declare`);
  if ('media' in answer) return;
  const parsed = answer.safeParse(body);
  if (!parsed.success)
    throw new Error(`${at} with a body that does not match its schema: ${parsed.error.message}`);
  if (!isDeepStrictEqual(parsed.data, body)) {
    throw new Error(`${at} with undeclared members: ${JSON.stringify(body)}`);
  }
}

/** API Gateway's own answer, before any function has run. */
function isOfGateway(status: number, body: Reply['body']): boolean {
  return [413, 429, 503].includes(status) && isDeepStrictEqual(Object.keys(body), ['message']);
}
