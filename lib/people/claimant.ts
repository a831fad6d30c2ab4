/** The credential of a write, not verified yet. `none`: the system itself submits the transaction, and no credential is checked. */
export type Claimant =
  | { readonly kind: 'none'; readonly principalId: string }
  | { readonly kind: 'api-token'; readonly principalId: string; readonly hash: string }
  | { readonly kind: 'session'; readonly principalId: string; readonly sessionId: string };
