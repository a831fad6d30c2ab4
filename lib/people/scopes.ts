/** Scopes of API tokens: permissions, with `*` for any action or any resource. Pure. */
import { permissions, type Permission } from './permissions.ts';

export type Scoped =
  | { readonly permissions: readonly Permission[] }
  /** no permission matches it */
  | { readonly unknown: string }
  /** whoever asks does not have all that it means */
  | { readonly notHeld: string };

/** What the scopes mean for somebody who holds `held`: never more than that. A wildcard means what its owner has of it. */
export function expandScopes(scopes: readonly string[], held: readonly Permission[]): Scoped {
  const granted = new Set<Permission>();
  for (const scope of scopes) {
    const meant = permissions.filter((each) => matches(scope, each));
    if (meant.length === 0) return { unknown: scope };
    const allowed = meant.filter((each) => held.includes(each));
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
