import { problem } from '../http/problem.ts';
import { readApiToken, type ApiTokenClaim } from './api-token.ts';

export type Credential =
  ({ readonly kind: 'api-token' } & ApiTokenClaim) | { readonly kind: 'session'; readonly jwt: string };

/**
 * Reads an API token or access token from the Authorization header, without a look-up.
 * @throws ProblemError 401 if the header is missing or malformed
 */
export function readCredential(authorization: string | undefined): Credential {
  if (authorization === undefined)
    throw problem.unauthorized('Send a credential as `Authorization: Bearer …`.');
  const [, token] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
  if (token === undefined) throw problem.unauthorized('The Authorization header must be `Bearer …`.');
  if (!token.startsWith('ops_')) return { kind: 'session', jwt: token };
  const claim = readApiToken(token);
  if (!claim) throw problem.unauthorized('The API token is mistyped or truncated.');
  return { kind: 'api-token', ...claim };
}
