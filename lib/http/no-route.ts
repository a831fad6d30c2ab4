import { pathPattern } from './path-pattern.ts';
import { problem, type ProblemError } from './problem.ts';

interface Route {
  readonly method: string;
  readonly path: string;
}

/** Answers a request that none of `routes` matches: 404, or 405 with the methods that its path has. */
export function noRoute(routes: readonly Route[]) {
  return (method: string, path: string): ProblemError => {
    const methods = methodsOf(routes, path);
    if (methods.length === 0)
      return problem.notFound(`No route matches ${method} ${path}.`, { code: 'no-such-route' });
    return problem.methodNotAllowed(`${path} does not take ${method}, but ${methods.join(', ')}.`, methods);
  };
}

/** Whatever can be read with GET can be asked with HEAD. */
function methodsOf(routes: readonly Route[], path: string): string[] {
  const found = routes.filter((route) => pathPattern(route.path).test(path)).map(({ method }) => method);
  const methods = new Set<string>(found);
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}
