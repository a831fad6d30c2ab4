/**
 * What a failure at main says, by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
 *
 * - transient: nothing about the transaction. It comes again; no attempt is counted.
 * - dependency: what it builds on is not there yet. It is parked until its aggregate moves.
 * - permanent: it cannot be applied as it is. It is parked as failed, for people to look at.
 */
export type FailureClass = 'transient' | 'dependency' | 'permanent';

interface FailureRule {
  /** first characters of the SQLSTATE */
  readonly sqlState: string;
  readonly class: FailureClass;
  readonly because: string;
}

/** The first rule that matches counts. */
export const failureRules: readonly FailureRule[] = [
  { sqlState: '08', class: 'transient', because: 'connection exception' },
  { sqlState: '25006', class: 'transient', because: 'read-only: main is failing over' },
  { sqlState: '40', class: 'transient', because: 'deadlock or serialization failure' },
  { sqlState: '53', class: 'transient', because: 'out of connections, memory or disk' },
  { sqlState: '55', class: 'transient', because: 'object in use or lock not available' },
  { sqlState: '57', class: 'transient', because: 'cancelled, or the server is stopping or starting' },
  { sqlState: '58', class: 'transient', because: 'system error' },
  { sqlState: 'XX', class: 'transient', because: 'internal error' },
  { sqlState: '28', class: 'transient', because: 'main does not let us in: a fault of the deployment' },
  { sqlState: '3D', class: 'transient', because: 'the database is not there: a fault of the deployment' },
  { sqlState: '42501', class: 'transient', because: 'a privilege is missing: a fault of the deployment' },
  { sqlState: '42883', class: 'transient', because: 'the function is missing: main is not migrated yet' },
  { sqlState: '23503', class: 'dependency', because: 'foreign key' },
  { sqlState: '', class: 'permanent', because: 'everything else' },
];

/** What the server-side function must not take for a fault of a transaction. */
export const transientSqlStates: readonly string[] = failureRules
  .filter((rule) => rule.class === 'transient')
  .map((rule) => rule.sqlState);

/** @param sqlState undefined: no answer from the server (connection lost, time-out) */
export function classifyFailure(sqlState: string | undefined): FailureClass {
  if (sqlState === undefined) return 'transient';
  return failureRules.find((rule) => sqlState.startsWith(rule.sqlState))?.class ?? 'permanent';
}
