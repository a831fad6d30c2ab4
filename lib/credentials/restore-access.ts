/**
 * Repeats a change of tokens or users in Redis from its copy in SQS. Otherwise, if Redis has lost the change, a revoked permission
 * would be valid again until the change has reached main.
 */
import * as z from 'zod/mini';
import type { Step, Transaction } from '../transaction/transaction.ts';
import { roles } from '../people/permissions.ts';
import { putToken, revokeToken } from '../tokens/token-store.ts';
import { putUsers, userFields } from '../users/user-store.ts';
import type { Site } from '../redis/site.ts';

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

/** Never overwrites a later change. @returns false if a step could not be read */
export async function restoreAccess(site: Site, { steps }: Pick<Transaction, 'steps'>): Promise<boolean> {
  let isUnderstood = true;
  for (const step of steps) isUnderstood = (await restore(site, step)) && isUnderstood;
  return isUnderstood;
}

async function restore(site: Site, step: Step): Promise<boolean> {
  if (step.kind === 'create' && step.table === 'api_token') {
    const { data } = tokenValues.safeParse(step.values);
    if (!data) return false;
    const { token_hash, permissions, created_at, expires_at, ...rest } = data;
    await putToken(site, {
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
    await revokeToken(site, step.id);
  }
  if (step.kind === 'put' && step.table === 'ops_user') {
    const { data } = userValues.safeParse(step.values);
    if (!data) return false;
    await putUsers(site, [{ ...data, last_login_at: data.last_login_at ?? '' }]);
  }
  return true;
}
