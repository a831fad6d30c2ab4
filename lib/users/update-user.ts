/** Changes of one user in Redis. Whatever several do at once, an active admin remains: somebody must be able to give rights back. */
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

const mostTries = 5;

/**
 * Changes one, with effect on the next request of every session and token of theirs. A change that somebody else makes
 * meanwhile is not overwritten.
 * @param change of what is there now; undefined leaves it as it is
 * @param requester user id of the admin who asks for it, who must still be one
 * @returns the user as they are now, or why nothing was changed
 * @throws Error if others change it all the time
 */
export async function updateUser(
  site: Site,
  principal: string,
  change: (before: User | undefined) => User | undefined,
  requester?: string,
): Promise<UserUpdate> {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const before = await readUser(site, principal);
    const after = change(before);
    if (after === undefined) return { user: before };
    const takesAdmin = isActiveAdmin(before) && !isActiveAdmin(after);
    const admins = takesAdmin ? await listActiveAdmins(site) : [];
    const others = admins.filter((admin) => admin.principal !== principal).slice(0, mostLookedAt);
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
    // who was an admin a moment ago may not be one any more, and somebody else may have become one
    const isToRepeat = judged === 'changed_meanwhile' || (judged === 'last_admin' && others.length > 0);
    if (!isToRepeat) return { refused: judged };
  }
  throw new Error(`the user ${principal} changes all the time`);
}

/** One that remains is enough. */
const mostLookedAt = 20;
