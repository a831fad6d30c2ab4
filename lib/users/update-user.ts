/** Changes of one user in Redis. Whatever several do at once, an active admin remains: somebody must be able to give rights back. */
import * as z from 'zod/mini';
import { script } from '../redis/script.ts';
import {
  isActiveAdmin,
  listActiveAdmins,
  readUser,
  withPermissions,
  writeUserLua,
  type User,
} from './user-store.ts';
import type { Site } from '../redis/site.ts';

const updateScript = script(`
local user, users, asker, people_loaded = unpack(KEYS)
local a = cjson.decode(ARGV[1])
${writeUserLua}
local stamp = redis.call('HGET', user, 'stamp')
-- it is not known whether somebody whom Redis has forgotten is barred
if not stamp and redis.call('EXISTS', people_loaded) == 0 then return 'people_missing' end
if tonumber(stamp or 0) ~= a.replaces then return 'changed_meanwhile' end
if a.takes_admin then
  local remains = false
  for i = 5, #KEYS do
    local other = redis.call('HMGET', KEYS[i], 'active', 'role')
    remains = remains or (other[1] == '1' and other[2] == 'admin')
  end
  if not remains then return 'last_admin' end
end
if a.is_asked then
  local by = redis.call('HMGET', asker, 'active', 'permissions')
  if by[1] == '0' then return 'asker_barred' end
  if by[2] and not string.find(' ' .. by[2] .. ' ', ' manage:users ', 1, true) then return 'asker_forbidden' end
end
write_user(user, users, a.user)
return 'updated'
`);

const verdict = z.enum([
  'updated',
  'changed_meanwhile',
  'people_missing',
  'last_admin',
  'asker_barred',
  'asker_forbidden',
]);

export type UserRefusal = Exclude<z.infer<typeof verdict>, 'updated' | 'changed_meanwhile'>;
export type UserUpdate = { readonly user: User | undefined } | { readonly refused: UserRefusal };

const mostTries = 5;

/**
 * Changes one, with effect on the next request of every session and token of theirs. A change that somebody else makes
 * meanwhile is not overwritten.
 * @param change of what is there now; undefined leaves it as it is
 * @param asker user id of the admin who asks for it, who must still be one
 * @returns the user as they are now, or why nothing was changed
 * @throws Error if others change it all the time
 */
export async function updateUser(
  site: Site,
  principal: string,
  change: (before: User | undefined) => User | undefined,
  asker?: string,
): Promise<UserUpdate> {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const before = await readUser(site, principal);
    const after = change(before);
    if (after === undefined) return { user: before };
    const takesAdmin = isActiveAdmin(before) && !isActiveAdmin(after);
    const admins = takesAdmin ? await listActiveAdmins(site) : [];
    const others = admins.filter((admin) => admin.principal !== principal).slice(0, mostLookedAt);
    const answer = await updateScript(
      site.redis,
      [
        site.keys.user(principal),
        site.keys.users,
        site.keys.user(asker ?? principal),
        site.keys.peopleLoaded,
        ...others.map((admin) => site.keys.user(admin.principal)),
      ],
      [
        JSON.stringify({
          user: withPermissions(after),
          replaces: before?.stamp ?? 0,
          takes_admin: takesAdmin,
          is_asked: asker !== undefined,
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
