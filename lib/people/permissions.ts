/** Roles and their permissions (`action:resource`). */

export const permissions = [
  'read:observations',
  'write:observations',
  'delete:observations',
  'read:transfers',
  'manage:transfers',
  'manage:transactions',
  'manage:tokens',
  'manage:users',
  'configure:system',
] as const;

export type Permission = (typeof permissions)[number];

export const roles = ['admin', 'observer', 'viewer', 'service'] as const;

export type Role = (typeof roles)[number];

export const rolePermissions: Readonly<Record<Role, readonly Permission[]>> = {
  admin: permissions,
  observer: [
    'read:observations',
    'write:observations',
    'read:transfers',
    'manage:transfers',
    'manage:tokens',
  ],
  viewer: ['read:observations', 'read:transfers'],
  service: ['read:observations', 'write:observations', 'read:transfers', 'manage:transfers'],
};
