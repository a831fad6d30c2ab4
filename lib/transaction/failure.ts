/**
 * Classifies errors at main by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), for the functions of main and
 * for the processor.
 *
 * - transaction: a data error. While a transaction is applied, it sets the transaction aside at once. Elsewhere it fails the call, and
 *   counts against a transaction that fails on its own.
 * - work: a time-out or exceeded limit. It counts against a transaction that fails on its own.
 * - lock: a lock was not available. It never counts.
 * - connection: main is unreachable or shutting down. The outcome of the call is unknown.
 * - deployment: main is misconfigured or incompatible with this release. It never counts, and raises an alarm.
 */
export type FailureSubject = 'transaction' | 'work' | 'lock' | 'connection' | 'deployment';

interface FailureRule {
  /** first characters of the SQLSTATE */
  readonly sqlState: string;
  readonly subject: FailureSubject;
  readonly because: string;
}

/** The first matching rule applies. */
const failureRules: readonly FailureRule[] = [
  { sqlState: '22', subject: 'transaction', because: 'data exception' },
  {
    sqlState: '23',
    subject: 'transaction',
    because: 'constraint; only of a buffered table',
  },
  { sqlState: 'OP', subject: 'transaction', because: 'refused by one of our triggers' },
  { sqlState: '57014', subject: 'work', because: 'cancelled by a time-out' },
  { sqlState: '54', subject: 'work', because: 'too complex or too large' },
  { sqlState: '55P03', subject: 'lock', because: 'lock not available in time' },
  { sqlState: '40P01', subject: 'lock', because: 'deadlock' },
  { sqlState: '40001', subject: 'lock', because: 'serialization failure' },
  { sqlState: '08', subject: 'connection', because: 'connection exception' },
  { sqlState: '25006', subject: 'connection', because: 'read-only: main is failing over' },
  { sqlState: '53300', subject: 'connection', because: 'too many connections' },
  { sqlState: '57', subject: 'connection', because: 'the server is stopping or starting' },
  { sqlState: '', subject: 'deployment', because: 'everything else' },
];

/** Prefixes of SQLSTATEs of data errors. */
export const dataErrorSqlStates: readonly string[] = failureRules
  .filter(({ subject }) => subject === 'transaction')
  .map(({ sqlState }) => sqlState);

/** @param sqlState undefined if the server did not answer (connection lost, time-out) */
export function subjectOfFailure(sqlState: string | undefined): FailureSubject {
  if (sqlState === undefined) return 'connection';
  return failureRules.find((rule) => sqlState.startsWith(rule.sqlState))?.subject ?? 'deployment';
}
