import type { Permission } from '../auth/permissions.ts';

/** What a WebSocket can subscribe to, and the permission that it takes. */
export const channelPermissions = {
  'transfer.overview': 'read:transfers',
} as const satisfies Record<string, Permission>;

export type Channel = keyof typeof channelPermissions;

export function isChannel(name: string): name is Channel {
  return Object.hasOwn(channelPermissions, name);
}
