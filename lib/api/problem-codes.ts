import type { Contract } from '../http/operation.ts';
import { problemCodes, type ProblemCode } from '../http/problem.ts';

/** Functions that read from a replica and the buffer. */
const readers: readonly string[] = ['query', 'decide'];

/** All codes that an operation may answer with: those that follow from its contract, and those listed in it. */
export function problemCodesOf(contract: Contract): ProblemCode[] {
  const { access, body, query, rate, problems = [] } = contract;
  const isClosed = access !== 'public';
  const codes = new Set<ProblemCode>([
    'invalid-request',
    query === undefined ? 'unknown-parameter' : 'repeated-parameter',
    ...(body ? (['invalid-json', 'body-too-large'] as const) : []),
    ...(isClosed ? (['not-authenticated'] as const) : []),
    ...(isClosed && access !== 'any' ? (['not-permitted'] as const) : []),
    ...(isClosed || rate !== undefined ? (['too-many-requests', 'temporarily-unavailable'] as const) : []),
    ...(readers.includes(contract.function)
      ? (['replica-unavailable', 'buffer-unavailable', 'statement-too-slow'] as const)
      : []),
    ...(contract.function === 'query' ? (['answer-too-large'] as const) : []),
    ...problems,
    'internal-error',
  ]);
  return (Object.keys(problemCodes) as ProblemCode[]).filter((code) => codes.has(code));
}
