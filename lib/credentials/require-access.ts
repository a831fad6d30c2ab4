import { problem } from '../http/problem.ts';
import type { Access } from '../http/operation.ts';
import type { Principal } from '../people/principal.ts';

/** @throws ProblemError 403 */
export function requireAccess(principal: Pick<Principal, 'permissions'>, access: Access): void {
  if (access === 'public' || access === 'any' || principal.permissions.includes(access)) return;
  throw problem.forbidden(`This request requires the permission ${access}.`);
}
