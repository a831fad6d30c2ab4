import { inTime } from '../../lib/audit/record-change.ts';
import { requireUsersLoaded } from '../../lib/credentials/check-credential.ts';
import { requireAccess } from '../../lib/credentials/require-access.ts';
import { answer } from '../../lib/http/operation.ts';
import {
  createToken as createContract,
  listScopes as scopesContract,
  listTokens as listContract,
  revokeToken as revokeContract,
  rotateToken as rotateContract,
} from '../../lib/tokens/operations.ts';
import { listTokens as list } from '../../lib/tokens/token-store.ts';
import { rotateToken as rotate, type RotationParts } from './rotate-token.ts';
import { createToken as create, revoke, publicToken, type TokenParts } from './tokens.ts';

export const listScopes = answer(scopesContract, async ({ principal }) => ({
  status: 200,
  body: principal.permissions,
}));

export const createToken = answer(createContract, async (request, parts: TokenParts) => {
  const { token, stored } = await create(parts, request, request.principal, request.body);
  return { status: 201, body: { ...publicToken(stored), token } };
});

export const listTokens = answer(listContract, async ({ principal, query }, parts: TokenParts) => {
  const { owner = principal.id } = query;
  if (owner !== principal.id) requireAccess(principal, 'manage:users');
  await requireUsersLoaded(parts);
  const tokens = await inTime(list(parts, owner));
  return { status: 200, body: tokens.map(publicToken) };
});

export const rotateToken = answer(rotateContract, async (request, parts: RotationParts) => {
  const { id } = request.params;
  const { token, stored, hasEnded } = await rotate(parts, request, request.principal, id);
  return { status: 201, body: { ...publicToken(stored), token, replaces: { id, has_ended: hasEnded } } };
});

export const revokeToken = answer(revokeContract, async (request, parts: TokenParts) => {
  const ended = await revoke(parts, request, request.principal, request.params.id);
  return { status: 200, body: publicToken(ended) };
});
