import { pathPattern } from './path-pattern.ts';
import { problem, type ProblemError } from './problem.ts';

interface Route {
  readonly method: string;
  readonly path: string;
}

/** The problem for a request that matches none of `routes`: 404, or 405 with the allowed methods. */
export function noRoute(routes: readonly Route[]) {
  return (method: string, path: string): ProblemError => {
    const methods = methodsOf(routes, path);
    if (methods.length === 0)
      return problem.notFound(`No route matches ${method} ${path}.`, { code: 'no-such-route' });
    return problem.methodNotAllowed(
      `${path} does not allow ${method}. Allowed: ${methods.join(', ')}.`,
      methods,
    );
  };
}

/** Every route with GET also allows HEAD. */
function methodsOf(routes: readonly Route[], path: string): string[] {
  const found = routes.filter((route) => pathPattern(route.path).test(path)).map(({ method }) => method);
  const methods = new Set<string>(found);
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}
