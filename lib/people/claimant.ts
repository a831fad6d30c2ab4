/** The credential of a write as it was presented; `none`: the transaction is about a principal, and no credential is checked. */
export type Claimant =
  | { readonly kind: 'none'; readonly principalId: string }
  | { readonly kind: 'api-token'; readonly principalId: string; readonly hash: string }
  | { readonly kind: 'session'; readonly principalId: string; readonly sessionId: string };
