import { expect, it } from 'vitest';
import { permissions, rolePermissions } from '../../lib/people/permissions.ts';
import { expandScopes } from '../../lib/people/scopes.ts';

it('a wildcard means what its owner has of it, and never more', () => {
  expect(expandScopes(['*'], permissions)).toEqual({ permissions });
  expect(expandScopes(['*'], rolePermissions.viewer)).toEqual({ permissions: rolePermissions.viewer });
  expect(expandScopes(['read:*', 'write:observations'], rolePermissions.observer)).toEqual({
    permissions: ['read:observations', 'write:observations', 'read:transfers'],
  });
  expect(expandScopes(['*:transfers'], rolePermissions.viewer)).toEqual({ permissions: ['read:transfers'] });
});

it('what is not held, or means nothing, is named', () => {
  expect(expandScopes(['write:observations'], rolePermissions.viewer)).toEqual({
    notHeld: 'write:observations',
  });
  expect(expandScopes(['manage:*'], rolePermissions.viewer)).toEqual({ notHeld: 'manage:*' });
  for (const scope of ['', 'read', 'read:', 'read:observations:all', 'fly:*', 'READ:observations', '**']) {
    expect(expandScopes([scope], permissions)).toEqual({ unknown: scope });
  }
});
