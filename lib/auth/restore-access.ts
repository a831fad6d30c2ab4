/**
 * What a change of tokens or users means for Redis, out of the copy that SQS kept: should Redis have forgotten it, a right that
 * was taken must not come back before main has been reached.
 */
import * as z from 'zod/mini';
import type { Redis } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import type { Step, Transaction } from '../transaction/transaction.ts';
import { roles } from './permissions.ts';
import { putToken, revokeToken } from './token-store.ts';
import { putUsers, userFields } from './user-store.ts';

const seconds = z.pipe(
  z.string(),
  z.transform((text) => Math.floor(Date.parse(text) / 1000)),
);
const tokenValues = z.object({
  principal: z.string(),
  name: z.string(),
  role: z.enum(roles),
  permissions: z.string(),
  token_hash: z.string(),
  created_at: seconds,
  expires_at: z.nullable(seconds),
});
const tokenEnd = z.object({ revoked_at: z.string() });
const userValues = z.object({
  ...userFields,
  last_login_at: z.nullable(z.string()),
  active: z.boolean(),
  stamp: z.number(),
});

/** Changes nothing that Redis has from later on. */
export async function restoreAccess(
  redis: Redis,
  keys: Keys,
  { steps }: Pick<Transaction, 'steps'>,
): Promise<void> {
  for (const step of steps) await restore(redis, keys, step);
}

async function restore(redis: Redis, keys: Keys, step: Step): Promise<void> {
  if (step.kind === 'create' && step.table === 'api_token') {
    const { token_hash, permissions, created_at, expires_at, ...rest } = tokenValues.parse(step.values);
    await putToken(redis, keys, {
      ...rest,
      id: step.id,
      hash: token_hash,
      permissions: permissions.split(' ').filter(Boolean),
      createdAt: created_at,
      expiresAt: expires_at ?? undefined,
      revoked: false,
      uses: 0,
      usedAt: undefined,
    });
  }
  if (step.kind === 'update' && step.table === 'api_token' && tokenEnd.safeParse(step.values).success) {
    await revokeToken(redis, keys, step.id);
  }
  if (step.kind === 'put' && step.table === 'ops_user') {
    const { last_login_at, ...user } = userValues.parse(step.values);
    await putUsers(redis, keys, [{ ...user, last_login_at: last_login_at ?? '' }]);
  }
}
