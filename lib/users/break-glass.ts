/** Emergency access when there is no active admin: makes one by SQL at main, without the API, with an audit event. */
import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';

export interface BreakGlass {
  /** at GitHub */
  readonly login: string;
  /** user id, required if several users have had this login */
  readonly id?: string | undefined;
  readonly reason: string;
  /** account of the operating system that runs the command */
  readonly operator: string;
}

const candidate = z.object({
  principal: z.string(),
  login: z.string(),
  role: z.string(),
  active: z.boolean(),
});
export type Candidate = z.infer<typeof candidate>;

/**
 * Makes a user an active admin, in one statement with the audit event. The next sweep loads the change into Redis from a replica.
 * @returns the admin; if no user or several match, the candidates
 */
export async function breakGlass(
  main: Database,
  { login, id, reason, operator }: BreakGlass,
): Promise<{ readonly admin: Candidate } | { readonly candidates: readonly Candidate[] }> {
  const found = await main.query({
    text: 'select principal, login, role, active from ops_user where lower(login) = lower($1) or principal = $2 order by 1',
    values: [login, id ?? null],
  });
  const candidates = z.array(candidate).parse(found.rows);
  const matching = id === undefined ? candidates : candidates.filter((each) => each.principal === id);
  const [chosen, ...others] = matching;
  if (!chosen || others.length > 0) return { candidates };
  const { rows } = await main.query({
    text: `
      with admin as (
        update ops_user set role = 'admin', role_from = 'admin', active = true,
          -- newer than every change accepted before, so that Redis takes it
          stamp = greatest(stamp + 1, (extract(epoch from clock_timestamp()) * 1e6)::bigint)
        where principal = $1 returning principal, login, role, active
      ), audited as (
        insert into audit_event (id, at, principal, action, subject, detail)
        select gen_random_uuid(), clock_timestamp(), 'break-glass', 'user.changed', principal, jsonb_build_object(
          'login', login, 'role', role, 'role_from', 'admin', 'active', active, 'reason', $2::text,
          'operator', $3::text, 'database_user', current_user)
        from admin
      )
      select * from admin`,
    values: [chosen.principal, reason, operator],
  });
  return { admin: candidate.parse(rows[0]) };
}
