/** The meaning of each problem, and whether to repeat the request. Pure. */
import { problemCodes, type ProblemCode } from '../../lib/http/problem.ts';
import { escape } from './page.ts';

const sameKey = 'Repeat the write with the same Idempotency-Key (or the same id) until it is answered.';
const never = 'Do not repeat the request as it is: it would get the same answer.';

/** Each text has a sentence on the meaning and one on repeating the request. */
const texts: Readonly<Record<ProblemCode, readonly [meaning: string, repeat: string]>> = {
  'invalid-request': ['Part of the request is invalid; `detail` names it. Nothing was recorded.', never],
  'invalid-json': [
    'The body is not UTF-8 JSON, or it contains a duplicate key. Nothing was recorded.',
    never,
  ],
  'invalid-cursor': ['The cursor does not come from a `Link` header of this list.', never],
  'unknown-parameter': ['The operation does not take a query parameter of this name.', never],
  'repeated-parameter': ['A query parameter occurs twice. Separate several values by commas.', never],
  'answer-too-large': ['The answer would exceed the size limit. Request fewer records at a time.', never],
  'not-authenticated': [
    'The credential is missing, expired, revoked or mistyped. Nothing was recorded.',
    'Repeat the request with another credential.',
  ],
  'not-permitted': [
    'The credential, or its owner, does not have the permission. Nothing was recorded.',
    never,
  ],
  'not-found': ['No record has this id.', 'Repeat the request only if the record may yet be created.'],
  'no-such-route': ['No operation has this path.', never],
  'method-not-allowed': [
    'The path has operations, but none with this method; see the header `Allow`.',
    never,
  ],
  conflict: ['The request conflicts with the recorded state. It recorded nothing.', never],
  'already-finished': [
    'The executed unit is already finished with different values. Those values remain.',
    never,
  ],
  'id-taken': ['Another request has started a record with this id.', 'Repeat the start with another id.'],
  'discarded-before': [
    'An admin has discarded this write. Nothing was recorded.',
    'If it is correct, send it with a new key.',
  ],
  'refused-before': [
    'The main database has refused this write. `detail` gives the reason. Nothing was recorded.',
    'Correct it and send it with a new key.',
  ],
  'last-admin': ['The last active admin must remain an admin. Nothing was changed.', never],
  'token-replaced': ['The token was already rotated. Another token has replaced it.', never],
  'too-many-tokens': ['You have reached the limit of tokens.', 'Revoke a token, then repeat the request.'],
  'not-decidable': [
    'This decision is not possible in the current state of the transaction.',
    'Repeat the decision after the main database has processed the transaction.',
  ],
  'body-too-large': ['The body exceeds the size limit of a transaction. Nothing was recorded.', never],
  'idempotency-key-reused': [
    'This Idempotency-Key was used for another request. This request recorded nothing.',
    'Use a new key for a new request.',
  ],
  'too-many-requests': [
    'You have reached the rate limit. Nothing was recorded.',
    'Repeat the request after `Retry-After` seconds.',
  ],
  'too-many-waits': [
    'Too many requests are already waiting for a state, from you or in total.',
    'Repeat the request after `Retry-After` seconds, or read without `wait`.',
  ],
  'internal-error': ['The server failed. It is unknown whether a write was recorded.', sameKey],
  'temporarily-unavailable': [
    'A component that this request needs does not answer. `recorded` states whether a write is safe.',
    `Repeat the request after \`Retry-After\` seconds. ${sameKey}`,
  ],
  'replica-unavailable': [
    'No sufficiently recent replica answers.',
    'Repeat the request after `Retry-After` seconds.',
  ],
  'buffer-unavailable': [
    'The buffer (Redis) does not answer.',
    'Repeat the request after `Retry-After` seconds.',
  ],
  'statement-too-slow': [
    'The query exceeded the time limit of a read.',
    'Request fewer records, or repeat the request after `Retry-After` seconds.',
  ],
  'not-acknowledged': [
    'No store has acknowledged the write. It is unknown whether it was recorded.',
    sameKey,
  ],
};

export interface DescribedProblem {
  readonly type: string;
  readonly code: ProblemCode;
  readonly status: number;
  readonly title: string;
  readonly meaning: string;
  readonly repeat: string;
}

/** @returns undefined if there is no such code */
export function describeProblem(code: string): DescribedProblem | undefined {
  if (!isCode(code)) return undefined;
  const [status, title] = problemCodes[code];
  const [meaning, repeat] = texts[code];
  return { type: `/problems/${code}`, code, status, title, meaning, repeat };
}

function isCode(code: string): code is ProblemCode {
  return Object.hasOwn(problemCodes, code);
}

/** HTML */
export function problemPage({ status, code, meaning, repeat }: DescribedProblem): string {
  return `<p>Status ${status}, code <code>${code}</code></p>
<p>${escape(meaning)}</p>
<p>${escape(repeat)}</p>`;
}
