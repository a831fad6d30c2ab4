/** The way back when nobody can manage users any more: by SQL at main, without the API and its credentials, and on record. */
import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';

export interface BreakGlass {
  /** at GitHub */
  readonly login: string;
  /** user id, if several have had this login */
  readonly id?: string | undefined;
  readonly reason: string;
  /** the account of the operating system that asks */
  readonly operator: string;
}

const person = z.object({ principal: z.string(), login: z.string(), role: z.string(), active: z.boolean() });
export type Person = z.infer<typeof person>;

/**
 * Makes one person an active admin, in one statement with its audit event. Redis learns of it from a replica, by the sweep
 * of the next minute.
 * @returns the admin; or, if it is not clear who is meant, everybody who has had this login
 */
export async function breakGlass(
  main: Database,
  { login, id, reason, operator }: BreakGlass,
): Promise<{ readonly admin: Person } | { readonly candidates: readonly Person[] }> {
  const candidates = await main.query({
    text: 'select principal, login, role, active from ops_user where lower(login) = lower($1) or principal = $2 order by 1',
    values: [login, id ?? null],
  });
  const people = z.array(person).parse(candidates.rows);
  const [chosen, ...others] = id === undefined ? people : people.filter((each) => each.principal === id);
  if (!chosen || others.length > 0) return { candidates: people };
  const { rows } = await main.query({
    text: `
      with admin as (
        update ops_user set role = 'admin', role_from = 'admin', active = true,
          -- newer than every change that was accepted before, so that Redis takes it
          stamp = greatest(stamp + 1, (extract(epoch from clock_timestamp()) * 1e6)::bigint)
        where principal = $1 returning principal, login, role, active
      ), noted as (
        insert into audit_event (id, at, principal, action, subject, detail)
        select gen_random_uuid(), clock_timestamp(), 'break-glass', 'user.changed', principal, jsonb_build_object(
          'login', login, 'role', role, 'role_from', 'admin', 'active', active, 'reason', $2::text,
          'operator', $3::text, 'database_user', current_user)
        from admin
      )
      select * from admin`,
    values: [chosen.principal, reason, operator],
  });
  return { admin: person.parse(rows[0]) };
}
