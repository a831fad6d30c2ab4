/**
 * Every HTTP route once: method, path, function, permission. CDK, the local stack, the OpenAPI document and the
 * authorisation matrix read this list. The schemas of an operation stand with its noun in lib.
 */
import type { Permission } from '../auth/permissions.ts';

export type FunctionWithRoutes = 'accept' | 'query' | 'health' | 'decide' | 'authenticate';

export interface Route {
  /** name of the operation: the key of its step list in the function's handler */
  readonly operation: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: `/${string}`;
  readonly function: FunctionWithRoutes;
  /** `public`: no credential is read; `any`: every authenticated principal */
  readonly access: 'public' | 'any' | Permission;
  /** it takes query parameters, which its steps parse strictly; to all others any is a 400 */
  readonly takesQuery?: true;
  /** status of success, as documented */
  readonly success: number;
  readonly summary: string;
}

export const routes = [
  {
    operation: 'startExecutedObsUnit',
    method: 'POST',
    path: '/executed_obs_units/start',
    function: 'accept',
    access: 'write:observations',
    success: 201,
    summary: 'Record that an observation has started',
  },
  {
    operation: 'finishExecutedObsUnit',
    method: 'PUT',
    path: '/executed_obs_units/{id}/finish',
    function: 'accept',
    access: 'write:observations',
    success: 200,
    summary: 'Record that an observation has ended',
  },
  {
    operation: 'readExecutedObsUnit',
    method: 'GET',
    path: '/executed_obs_units/{id}',
    function: 'query',
    access: 'read:observations',
    takesQuery: true,
    success: 200,
    summary: 'One executed unit by UUID, or the executed units of a planned unit by integer',
  },
  {
    operation: 'listExecutedObsUnits',
    method: 'GET',
    path: '/executed_obs_units',
    function: 'query',
    access: 'read:observations',
    takesQuery: true,
    success: 200,
    summary:
      'Executed units by planned unit, program, source, instrument, status and time, newest first, in pages',
  },
  {
    operation: 'readTransaction',
    method: 'GET',
    path: '/api/transactions/{id}',
    function: 'query',
    access: 'read:observations',
    takesQuery: true,
    success: 200,
    summary: 'Where one accepted transaction is',
  },
  {
    operation: 'listTransactions',
    method: 'GET',
    path: '/api/transactions',
    function: 'query',
    access: 'read:observations',
    takesQuery: true,
    success: 200,
    summary: 'Accepted transactions that are not applied: buffered, waiting or failed',
  },
  {
    operation: 'retryTransaction',
    method: 'POST',
    path: '/api/transactions/{id}/retry',
    function: 'decide',
    access: 'manage:transactions',
    success: 202,
    summary: 'Try a transaction again that main has set aside',
  },
  {
    operation: 'discardTransaction',
    method: 'POST',
    path: '/api/transactions/{id}/discard',
    function: 'decide',
    access: 'manage:transactions',
    success: 202,
    summary: 'Give up a transaction that main has set aside, for a reason',
  },
  {
    operation: 'readBuffer',
    method: 'GET',
    path: '/api/buffer',
    function: 'query',
    access: 'read:observations',
    success: 200,
    summary: 'What is buffered, how fast it drains, and what keeps it',
  },
  {
    operation: 'readTransferOverview',
    method: 'GET',
    path: '/api/transfer/overview',
    function: 'query',
    access: 'read:transfers',
    success: 200,
    summary: 'Packages and transfers by state',
  },
  {
    operation: 'readHealth',
    method: 'GET',
    path: '/health',
    function: 'health',
    access: 'public',
    success: 200,
    summary: 'Whether writes can be accepted',
  },
  {
    operation: 'readJwks',
    method: 'GET',
    path: '/.well-known/jwks.json',
    function: 'authenticate',
    access: 'public',
    success: 200,
    summary: 'The public keys that verify access tokens',
  },
  {
    operation: 'startLogin',
    method: 'GET',
    path: '/github/login',
    function: 'authenticate',
    access: 'public',
    takesQuery: true,
    success: 302,
    summary: 'Log in with GitHub, and come back to `return_to` with a code',
  },
  {
    operation: 'finishLogin',
    method: 'GET',
    path: '/github/callback',
    function: 'authenticate',
    access: 'public',
    takesQuery: true,
    success: 302,
    summary: 'Where GitHub sends the browser back to',
  },
  {
    operation: 'exchangeCode',
    method: 'POST',
    path: '/auth/exchange',
    function: 'authenticate',
    access: 'public',
    success: 200,
    summary: 'The code of a login for an access token, and a refresh token in a cookie',
  },
  {
    operation: 'refreshSession',
    method: 'POST',
    path: '/auth/refresh',
    function: 'authenticate',
    access: 'public',
    success: 200,
    summary: 'A new access token for the refresh token in the cookie, which changes',
  },
  {
    operation: 'logOut',
    method: 'POST',
    path: '/auth/logout',
    function: 'authenticate',
    access: 'public',
    success: 200,
    summary: 'Ends the session of the cookie, with its access tokens and sockets',
  },
  {
    operation: 'listUsers',
    method: 'GET',
    path: '/api/users',
    function: 'authenticate',
    access: 'manage:users',
    takesQuery: true,
    success: 200,
    summary: 'Everybody who has logged in, with their roles',
  },
  {
    operation: 'changeUser',
    method: 'PUT',
    path: '/api/users/{id}',
    function: 'authenticate',
    access: 'manage:users',
    success: 200,
    summary: 'Another role for somebody, or none at all; takes effect at once',
  },
  {
    operation: 'readAudit',
    method: 'GET',
    path: '/api/audit',
    function: 'query',
    access: 'manage:users',
    takesQuery: true,
    success: 200,
    summary: 'Who did what to sessions, tokens, roles and set-aside transactions, newest first, in pages',
  },
  {
    operation: 'readMe',
    method: 'GET',
    path: '/auth/me',
    function: 'authenticate',
    access: 'any',
    success: 200,
    summary: 'Who asks, and what they may do',
  },
  {
    operation: 'listScopes',
    method: 'GET',
    path: '/api/tokens/scopes',
    function: 'authenticate',
    access: 'any',
    success: 200,
    summary: 'What an API token of this user could be given',
  },
  {
    operation: 'createToken',
    method: 'POST',
    path: '/api/tokens',
    function: 'authenticate',
    access: 'manage:tokens',
    success: 201,
    summary: 'A new API token, shown this once',
  },
  {
    operation: 'listTokens',
    method: 'GET',
    path: '/api/tokens',
    function: 'authenticate',
    access: 'manage:tokens',
    takesQuery: true,
    success: 200,
    summary: 'One’s own API tokens, without their secrets',
  },
  {
    operation: 'rotateToken',
    method: 'POST',
    path: '/api/tokens/{id}/rotate',
    function: 'authenticate',
    access: 'manage:tokens',
    success: 201,
    summary: 'A new token in the place of this one, which ends',
  },
  {
    operation: 'revokeToken',
    method: 'DELETE',
    path: '/api/tokens/{id}',
    function: 'authenticate',
    access: 'manage:tokens',
    success: 200,
    summary: 'Ends an API token',
  },
  {
    operation: 'createTicket',
    method: 'POST',
    path: '/api/ws/ticket',
    function: 'authenticate',
    access: 'any',
    success: 201,
    summary: 'A single-use ticket for the WebSocket',
  },
] as const satisfies readonly Route[];

/** Operations that function `F` serves. */
export type OperationOf<F extends FunctionWithRoutes> = Extract<
  (typeof routes)[number],
  { function: F }
>['operation'];
