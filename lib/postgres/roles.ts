/**
 * The roles by which functions reach Postgres, with no more rights than they need. The README of the deployment tells operators to
 * run these statements, and the local stack runs them.
 */
export const roles = {
  /** `apply` at main */
  functions: {
    name: 'ops_functions',
    statement: 'grant pg_read_all_data, pg_write_all_data to ops_functions',
  },
  /** all reads at replicas; without the statistics a replica would seem not to receive from its primary */
  reader: { name: 'ops_reader', statement: 'grant pg_read_all_data, pg_read_all_stats to ops_reader' },
} as const;

/** The statements for a role that may not exist yet. */
export function createRole({ name, statement }: (typeof roles)[keyof typeof roles]): string[] {
  const create = `do $$ begin
    if not exists (select from pg_roles where rolname = '${name}') then create role ${name} login; end if;
  end $$`;
  return [create, statement];
}
