import type { Permission, Role } from './permissions.ts';

/** Who asks: the one shape behind a session's JWT and an API token. */
export interface Principal {
  /** the user's id, decimal */
  readonly id: string;
  readonly name: string;
  /** of its owner, now */
  readonly role: Role;
  /** what this credential may do: never more than its owner's role */
  readonly permissions: readonly Permission[];
  readonly credential: 'session' | 'api-token';
  readonly sessionId?: string;
  readonly tokenId?: string;
  /** SHA-256 of the API token */
  readonly tokenHash?: string;
  /** unix seconds; absent = does not expire */
  readonly expiresAt?: number;
}
