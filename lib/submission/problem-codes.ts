import type { ProblemCode } from '../http/problem.ts';

/** Codes for refused transactions of any kind. */
export const submissionProblems = [
  'idempotency-key-reused',
  'refused-before',
  'discarded-before',
  'not-acknowledged',
] as const satisfies readonly ProblemCode[];
