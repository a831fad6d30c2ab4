/** Who has come in, and what they may do: listed and changed by admins, with effect on every session and token at once. */
import type { AuthenticationParts } from '../../lib/credentials/authenticate.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { doneBy, inTime, recordChange, type ChangeParts } from '../../lib/audit/record-change.ts';
import { cannotTell, requirePeople } from '../../lib/credentials/check-credential.ts';
import type { UserChange } from '../../lib/users/operations.ts';
import { updateUser, type UserRefusal } from '../../lib/users/update-user.ts';
import { putUserRow, userRowId, type User } from '../../lib/users/user-store.ts';
import { databaseInstant } from '../../lib/values/database-instant.ts';
import { problem, type ProblemError } from '../../lib/http/problem.ts';
import type { Request } from '../../lib/http/request.ts';

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
  { role, active, reason }: UserChange,
): Promise<User> {
  if (principal === admin.id && (active === false || (role !== undefined && role !== 'admin'))) {
    throw problem.conflict('You cannot remove your own rights. Ask another admin.');
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
    case 'asker_barred':
      return problem.unauthorized('You have been barred. Nothing was changed.');
    case 'asker_forbidden':
      return problem.forbidden('You may no longer manage users. Nothing was changed.');
    case 'people_missing':
      return cannotTell();
    case 'last_admin':
      // a Redis that has forgotten people may not know the others
      await requirePeople(parts);
      return problem.conflict(
        'This is the last active admin. Nothing was changed. Make another user an admin first.',
        { code: 'last-admin' },
      );
  }
}
