/** Changes of users by admins. They take effect on every session and token immediately. */
import type { AuthenticationParts } from '../../lib/credentials/authenticate.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { doneBy, inTime, recordChange, type ChangeParts } from '../../lib/audit/record-change.ts';
import { cannotVerify, requireUsersLoaded } from '../../lib/credentials/check-credential.ts';
import type { UserChange } from '../../lib/users/operations.ts';
import { updateUser, type UserRefusal } from '../../lib/users/update-user.ts';
import { putUserRow, userRowId, type User } from '../../lib/users/user-store.ts';
import { databaseInstant } from '../../lib/values/database-instant.ts';
import { problem, type ProblemError } from '../../lib/http/problem.ts';
import type { Request } from '../../lib/http/request.ts';

export type UserParts = AuthenticationParts & ChangeParts;

export function publicUser({ principal, stamp: _, created_at, last_login_at, ...user }: User) {
  return {
    id: principal,
    ...user,
    created_at: databaseInstant(created_at) ?? created_at,
    last_login_at: last_login_at === '' ? null : (databaseInstant(last_login_at) ?? last_login_at),
  };
}

/** @throws ProblemError 404; 409 if no active admin would remain; 401 or 403 if the admin has lost their rights meanwhile */
export async function changeUser(
  parts: UserParts,
  request: Request,
  admin: Principal,
  principal: string,
  { role, active, reason }: UserChange,
): Promise<User> {
  if (principal === admin.id && (active === false || (role !== undefined && role !== 'admin'))) {
    throw problem.conflict('You cannot deactivate yourself or give up the admin role. Ask another admin.');
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
    await requireUsersLoaded({ redis, keys });
    throw problem.notFound(`No user has the id ${principal}.`);
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
    case 'requester_deactivated':
      return problem.unauthorized('You have been deactivated. Nothing was changed.');
    case 'requester_forbidden':
      return problem.forbidden('You no longer have the permission manage:users. Nothing was changed.');
    case 'users_missing':
      return cannotVerify();
    case 'last_admin':
      // if Redis has lost users, there may be other admins
      await requireUsersLoaded(parts);
      return problem.conflict(
        'This is the last active admin. Nothing was changed. Make another user an admin first.',
        { code: 'last-admin' },
      );
  }
}
