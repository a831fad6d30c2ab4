/** Who has come in, and what they may do: listed and changed by admins, with effect on every session and token at once. */
import * as z from 'zod/mini';
import type { AuthenticationParts } from '../../lib/credentials/authenticate.ts';
import { roles } from '../../lib/people/permissions.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { doneBy, inTime, recordChange, type ChangeParts } from '../../lib/audit/record-change.ts';
import { cannotTell, requirePeople } from '../../lib/credentials/check-credential.ts';
import { updateUser, type UserRefusal } from '../../lib/users/update-user.ts';
import { putUserRow, userRowId, type User } from '../../lib/users/user-store.ts';
import { databaseInstant } from '../../lib/values/database-instant.ts';
import { wholeNumberText } from '../../lib/values/integer.ts';
import { problem, type ProblemError } from '../../lib/http/problem.ts';
import type { Request } from '../../lib/http/serve.ts';

export const userId = z.string().check(z.regex(/^\d{1,15}$/, 'must be a user id: a whole number'));

export const userBody = z
  .strictObject({
    /** null: what their teams at GitHub say, from the next login on */
    role: z.optional(z.nullable(z.enum(roles))),
    /** false: barred, with every session and token */
    active: z.optional(z.boolean()),
    reason: z.optional(z.string().check(z.minLength(1), z.maxLength(1000))),
  })
  .check(z.refine(({ role, active }) => role !== undefined || active !== undefined, 'give role or active'));

export const usersQuery = z.strictObject({
  limit: z._default(wholeNumberText(1, 1000), 100),
  cursor: z.optional(z.string()),
});
export const usersCursor = z.tuple([userId]);

export type UserParts = AuthenticationParts & ChangeParts;

export function shownUser({ principal, stamp: _, created_at, last_login_at, ...user }: User) {
  return {
    id: principal,
    ...user,
    created_at: databaseInstant(created_at) ?? created_at,
    last_login_at: last_login_at === '' ? null : (databaseInstant(last_login_at) ?? last_login_at),
  };
}

/** @throws ProblemError 404; 409 for a change after which no admin would remain; 401, 403 if the asker’s rights were taken meanwhile */
export async function changeUser(
  parts: UserParts,
  request: Request,
  admin: Principal,
  principal: string,
  { role, active, reason }: z.infer<typeof userBody>,
): Promise<User> {
  if (principal === admin.id && (active === false || (role !== undefined && role !== 'admin'))) {
    throw problem.conflict('You cannot take your own rights: another admin can.');
  }
  const { redis, keys } = parts;
  const updated = await inTime(
    updateUser(
      { redis, keys },
      principal,
      (before) =>
        before && {
          ...before,
          ...(role !== undefined && role !== null && { role, role_from: 'admin' as const }),
          ...(role === null && { role_from: 'github' as const }),
          ...(active !== undefined && { active }),
          stamp: Math.max(request.receivedAt * 1000, before.stamp + 1),
        },
      admin.id,
    ),
  );
  if ('refused' in updated) throw await refusalOf(parts, updated.refused);
  const after = updated.user;
  if (!after) {
    await requirePeople({ redis, keys });
    throw problem.notFound(`Nobody with id ${principal} has logged in.`);
  }
  await recordChange(parts, request, {
    ...doneBy(admin),
    action: 'user.changed',
    subject: principal,
    detail: {
      role: after.role,
      role_from: after.role_from,
      active: after.active,
      ...(reason !== undefined && { reason }),
    },
    aggregate: userRowId(principal),
    stamp: after.stamp,
    build: (builder) => putUserRow(builder, after),
  });
  return after;
}

async function refusalOf(parts: UserParts, refused: UserRefusal): Promise<ProblemError> {
  switch (refused) {
    case 'asker_barred':
      return problem.unauthorized('You have been barred meanwhile: nothing was changed.');
    case 'asker_forbidden':
      return problem.forbidden('You may not manage users any more: nothing was changed.');
    case 'people_missing':
      return cannotTell();
    case 'last_admin':
      // a Redis that has forgotten people may not know the others
      await requirePeople(parts);
      return problem.conflict(
        'This is the last active admin, who must remain: nothing was changed. Make somebody else an admin first.',
        { code: 'last-admin' },
      );
  }
}
