/** API tokens: made, shown once, listed, renewed and revoked. Each change is a transaction, so that it works while main is away. */
import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { mintApiToken } from '../../lib/auth/api-token.ts';
import type { AuthenticationParts } from '../../lib/auth/authenticate.ts';
import { claimantOf } from '../../lib/auth/claimant.ts';
import type { Principal } from '../../lib/auth/principal.ts';
import { expandScopes } from '../../lib/auth/scopes.ts';
import { findToken, putToken, revokeToken, type StoredToken } from '../../lib/auth/token-store.ts';
import { accept, withStamp } from '../../lib/buffer/accept.ts';
import { problem } from '../../lib/http/problem.ts';
import type { Request } from '../../lib/http/serve.ts';
import { transactionMessage } from '../../lib/queue/messages.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { uuidV7 } from '../../lib/transaction/ids.ts';

export const createBody = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(100)),
  /** permissions, `*` for any action or resource; default: all that the owner has */
  scopes: z._default(z.array(z.string().check(z.maxLength(100))).check(z.minLength(1), z.maxLength(50)), [
    '*',
  ]),
  /** default: it does not expire */
  expires_in_days: z.optional(z.int().check(z.minimum(1), z.maximum(3650))),
});

export interface TokenParts extends AuthenticationParts {
  readonly queue: Pick<Queue, 'send'>;
  readonly limits: { readonly requestsPerSecond: number; readonly budgetBytes: number };
}

/** What anyone may see of a token: never more of its secret than the moment it is made. */
export function shown({ id, name, permissions, expiresAt, createdAt, revoked }: StoredToken) {
  return {
    id,
    name,
    scopes: permissions,
    created_at: new Date(createdAt * 1000).toISOString(),
    expires_at: expiresAt === undefined ? null : new Date(expiresAt * 1000).toISOString(),
    revoked,
  };
}

/** @returns the token, which nobody will see again @throws ProblemError */
export async function createToken(
  parts: TokenParts,
  request: Request,
  owner: Principal,
  { name, scopes, expires_in_days: days }: z.infer<typeof createBody>,
): Promise<{ readonly token: string; readonly stored: StoredToken }> {
  const scoped = expandScopes(scopes, owner.permissions);
  if ('unknown' in scoped) throw problem.badRequest(`scopes: there is no permission ${scoped.unknown}.`);
  if ('notHeld' in scoped) throw problem.forbidden(`You do not have ${scoped.notHeld} yourself.`);
  const { token, hash } = mintApiToken(owner.id, randomBytes(64));
  const createdAt = Math.floor(request.receivedAt / 1000);
  const stored: StoredToken = {
    id: newId(request),
    principal: owner.id,
    name,
    role: owner.role,
    permissions: scoped.permissions,
    hash,
    createdAt,
    expiresAt: earliest(days === undefined ? undefined : createdAt + days * 24 * 3600, lifeOf(owner)),
    revoked: false,
  };
  await record(parts, request, owner, stored.id, (builder) =>
    builder.create(
      'api_token',
      {
        principal: owner.id,
        name,
        role: owner.role,
        permissions: scoped.permissions.join(' '),
        token_hash: hash,
        created_at: new Date(createdAt * 1000).toISOString(),
        expires_at: stored.expiresAt === undefined ? null : new Date(stored.expiresAt * 1000).toISOString(),
      },
      stored.id,
    ),
  );
  await inTime(putToken(parts.redis, parts.keys, stored));
  return { token, stored };
}

/** Takes effect at once, whatever main does. @throws ProblemError 404 for a token of somebody else, but to an admin */
export async function revoke(
  parts: TokenParts,
  request: Request,
  asker: Principal,
  id: string,
): Promise<StoredToken> {
  const stored = await inTime(findToken(parts.redis, parts.keys, id));
  const may = stored && (stored.principal === asker.id || asker.permissions.includes('manage:users'));
  if (!may) throw problem.notFound(`There is no token ${id} of yours.`);
  await inTime(revokeToken(parts.redis, parts.keys, stored.hash));
  await record(parts, request, asker, id, (builder) =>
    builder.update('api_token', id, { revoked_at: new Date(request.receivedAt).toISOString() }),
  );
  return { ...stored, revoked: true };
}

async function record(
  { redis, keys, queue, limits }: TokenParts,
  request: Request,
  principal: Principal,
  aggregate: string,
  build: (builder: TransactionBuilder) => unknown,
): Promise<void> {
  const heading = {
    id: newId(request),
    stamp: request.receivedAt * 1000,
    aggregate,
    principal: principal.id,
    operation: request.route.operation,
  };
  const builder = new TransactionBuilder(heading, () => newId(request));
  build(builder);
  const transaction = builder.build();
  const verdict = await inTime(
    accept(redis, keys, {
      claimant: claimantOf(request, principal),
      permission: request.route.access,
      transaction,
      isQuiet: true,
      patch: '{}',
      status: 200,
      nowMilliseconds: request.receivedAt,
      ...limits,
    }),
  );
  if ('refused' in verdict) {
    if (verdict.refused === 'too_many') throw problem.tooManyRequests('Too many requests.', 1);
    // a token that was to end has ended here already: what is missing is that main learns of it
    throw problem.unavailable(`It could not be recorded for main (${verdict.refused}). Please ask again.`, 2);
  }
  // without the message the sweeper sends it again
  if (verdict.stamp !== undefined) {
    await queue.send(transactionMessage(withStamp(transaction, verdict.stamp))).catch(() => undefined);
  }
}

/** A token made with a token ends with it; one made by a person outlives the session. */
function lifeOf(owner: Principal): number | undefined {
  return owner.credential === 'api-token' ? owner.expiresAt : undefined;
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

function newId({ receivedAt }: Request): string {
  return uuidV7(receivedAt, randomBytes(10));
}

async function inTime<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch {
    throw problem.unavailable('Tokens cannot be changed at the moment. Please ask again.', 2);
  }
}
