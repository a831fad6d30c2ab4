/** Changes one user in Redis. Even with concurrent changes, one active admin remains, who can restore permissions. */
import * as z from 'zod/mini';
import { updateUserScript } from '../redis/generated/scripts.ts';
import { isActiveAdmin, listActiveAdmins, readUser, withPermissions, type User } from './user-store.ts';
import type { Site } from '../redis/site.ts';

const verdict = z.enum([
  'updated',
  'changed_meanwhile',
  'users_missing',
  'last_admin',
  'requester_deactivated',
  'requester_forbidden',
]);

export type UserRefusal = Exclude<z.infer<typeof verdict>, 'updated' | 'changed_meanwhile'>;
export type UserUpdate = { readonly user: User | undefined } | { readonly refused: UserRefusal };

const maxTries = 5;

/**
 * Changes a user, with effect on the next request of all their sessions and tokens. Never overwrites a concurrent change.
 * @param change returns the changed user, or undefined to change nothing
 * @param requester user id of the admin who makes the change, who must still be an admin
 * @returns the current user, or why nothing was changed
 * @throws Error if concurrent changes prevent every attempt
 */
export async function updateUser(
  site: Site,
  principal: string,
  change: (before: User | undefined) => User | undefined,
  requester?: string,
): Promise<UserUpdate> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const before = await readUser(site, principal);
    const after = change(before);
    if (after === undefined) return { user: before };
    const takesAdmin = isActiveAdmin(before) && !isActiveAdmin(after);
    const admins = takesAdmin ? await listActiveAdmins(site) : [];
    const others = admins.filter((admin) => admin.principal !== principal).slice(0, maxAdminsChecked);
    const answer = await updateUserScript(
      site.redis,
      [
        site.keys.user(principal),
        site.keys.users,
        site.keys.user(requester ?? principal),
        site.keys.usersLoaded,
        ...others.map((admin) => site.keys.user(admin.principal)),
      ],
      [
        JSON.stringify({
          user: withPermissions(after),
          replaces: before?.stamp ?? 0,
          takes_admin: takesAdmin,
          is_asked: requester !== undefined,
        }),
      ],
    );
    const judged = verdict.parse(answer);
    if (judged === 'updated') return { user: after };
    // the admins may have changed since they were listed
    const mustRetry = judged === 'changed_meanwhile' || (judged === 'last_admin' && others.length > 0);
    if (!mustRetry) return { refused: judged };
  }
  throw new Error(`user ${principal} could not be changed because of concurrent changes`);
}

/** Bounds the script: it needs to find only one. */
const maxAdminsChecked = 20;
