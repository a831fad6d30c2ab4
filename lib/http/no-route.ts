import { pathPattern } from './path-pattern.ts';
import { problem, type ProblemError } from './problem.ts';
import { routes } from './routes.ts';

/** The answer to a request that no route matches: 404, or 405 with the methods that its path has. */
export function noRoute(method: string, path: string): ProblemError {
  const methods = methodsOf(path);
  if (methods.length === 0)
    return problem.notFound(`No route matches ${method} ${path}.`, { code: 'no-such-route' });
  return problem.methodNotAllowed(`${path} does not take ${method}, but ${methods.join(', ')}.`, methods);
}

/** Whatever can be read with GET can be asked with HEAD. */
function methodsOf(path: string): string[] {
  const found = routes.filter((route) => pathPattern(route.path).test(path)).map(({ method }) => method);
  const methods = new Set<string>(found);
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}
