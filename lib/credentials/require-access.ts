import { problem } from '../http/problem.ts';
import type { Route } from '../http/routes.ts';
import type { Principal } from '../people/principal.ts';

/** @throws ProblemError 403 */
export function requireAccess(principal: Pick<Principal, 'permissions'>, access: Route['access']): void {
  if (access === 'public' || access === 'any' || principal.permissions.includes(access)) return;
  throw problem.forbidden(`This needs the permission ${access}.`);
}
