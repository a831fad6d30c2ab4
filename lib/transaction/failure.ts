/**
 * What an error at main is about, by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html): the one table
 * that the functions of main and the processor both read.
 *
 * - transaction: the data of one transaction. Raised while it is applied it sets the transaction aside at once; raised
 *   elsewhere it fails the call, and counts against a transaction that fails alone.
 * - work: it takes too long or too much. It counts against a transaction that fails alone, again and again.
 * - lock: another holds what it needs. It never counts.
 * - connection: main is away, or about to go. Nothing is known of the call.
 * - deployment: main is not as this release needs it. It judges no transaction, and somebody must look.
 */
export type FailureSubject = 'transaction' | 'work' | 'lock' | 'connection' | 'deployment';

interface FailureRule {
  /** first characters of the SQLSTATE */
  readonly sqlState: string;
  readonly subject: FailureSubject;
  readonly because: string;
}

/** The first rule that matches counts. */
const failureRules: readonly FailureRule[] = [
  { sqlState: '22', subject: 'transaction', because: 'data exception' },
  {
    sqlState: '23',
    subject: 'transaction',
    because: 'constraint; only of a table that is recorded through the buffer',
  },
  { sqlState: 'OP', subject: 'transaction', because: 'a trigger of ours refuses it' },
  { sqlState: '57014', subject: 'work', because: 'cancelled: it ran into its time-out' },
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

/** SQLSTATEs by which the functions of main may judge a transaction. */
export const judgingSqlStates: readonly string[] = failureRules
  .filter(({ subject }) => subject === 'transaction')
  .map(({ sqlState }) => sqlState);

/** @param sqlState undefined: no answer from the server (connection lost, time-out) */
export function subjectOfFailure(sqlState: string | undefined): FailureSubject {
  if (sqlState === undefined) return 'connection';
  return failureRules.find((rule) => sqlState.startsWith(rule.sqlState))?.subject ?? 'deployment';
}
