import { expect, it } from 'vitest';
import { permissions, rolePermissions } from '../../lib/people/permissions.ts';
import { expandScopes } from '../../lib/people/scopes.ts';

it('expandScopes expands a wildcard to permissions that the owner has', () => {
  expect(expandScopes(['*'], permissions)).toEqual({ permissions });
  expect(expandScopes(['*'], rolePermissions.viewer)).toEqual({ permissions: rolePermissions.viewer });
  expect(expandScopes(['read:*', 'write:observations'], rolePermissions.observer)).toEqual({
    permissions: ['read:observations', 'write:observations', 'read:transfers'],
  });
  expect(expandScopes(['*:transfers'], rolePermissions.viewer)).toEqual({ permissions: ['read:transfers'] });
});

it('expandScopes names a scope that the owner lacks or that does not exist', () => {
  expect(expandScopes(['write:observations'], rolePermissions.viewer)).toEqual({
    notHeld: 'write:observations',
  });
  expect(expandScopes(['manage:*'], rolePermissions.viewer)).toEqual({ notHeld: 'manage:*' });
  for (const scope of ['', 'read', 'read:', 'read:observations:all', 'fly:*', 'READ:observations', '**']) {
    expect(expandScopes([scope], permissions)).toEqual({ unknown: scope });
  }
});
