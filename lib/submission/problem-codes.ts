import type { ProblemCode } from '../http/problem.ts';

/** Codes of a transaction that is not accepted, whatever it is about. */
export const submissionProblems = [
  'idempotency-key-reused',
  'refused-before',
  'discarded-before',
  'not-acknowledged',
] as const satisfies readonly ProblemCode[];
