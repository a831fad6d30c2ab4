import type { Permission, Role } from './permissions.ts';

/** The authenticated user of a request, from an access token or an API token. */
export interface Principal {
  /** the user's id, decimal */
  readonly id: string;
  readonly name: string;
  /** current role of the user */
  readonly role: Role;
  /** of this credential; never more than those of the role */
  readonly permissions: readonly Permission[];
  readonly credential: 'session' | 'api-token';
  readonly sessionId?: string;
  readonly tokenId?: string;
  /** SHA-256 of the API token */
  readonly tokenHash?: string;
  /** unix seconds; absent if the credential does not expire */
  readonly expiresAt?: number;
}
