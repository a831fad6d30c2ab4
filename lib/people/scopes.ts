/** Scopes of API tokens: permissions, with `*` for any action or any resource. Pure. */
import { permissions, type Permission } from './permissions.ts';

export type Scoped =
  | { readonly permissions: readonly Permission[] }
  /** a scope that matches no permission */
  | { readonly unknown: string }
  /** a scope that matches no permission of the owner */
  | { readonly notHeld: string };

/** Expands scopes to permissions among `held`. A wildcard expands to those that the owner holds. */
export function expandScopes(scopes: readonly string[], held: readonly Permission[]): Scoped {
  const granted = new Set<Permission>();
  for (const scope of scopes) {
    const matching = permissions.filter((each) => matches(scope, each));
    if (matching.length === 0) return { unknown: scope };
    const allowed = matching.filter((each) => held.includes(each));
    if (allowed.length === 0) return { notHeld: scope };
    for (const each of allowed) granted.add(each);
  }
  return { permissions: permissions.filter((each) => granted.has(each)) };
}

function matches(scope: string, permission: Permission): boolean {
  if (scope === '*') return true;
  const [action, resource, ...rest] = scope.split(':');
  const [ownAction, ownResource] = permission.split(':');
  if (rest.length > 0 || resource === undefined) return false;
  return (action === '*' || action === ownAction) && (resource === '*' || resource === ownResource);
}
