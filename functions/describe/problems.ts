/** What each kind of problem means, and what to do about it. Pure. */
import { problemCodes, type ProblemCode } from '../../lib/http/problem.ts';
import { escape } from './page.ts';

const sameKey = 'Repeat the write with the same Idempotency-Key (or the same id) until it is answered.';
const never = 'Do not repeat the request as it is: it would get the same answer.';

/** A sentence on what has happened, and one on whether to repeat the request. */
const texts: Readonly<Record<ProblemCode, readonly [meaning: string, repeat: string]>> = {
  'invalid-request': ['Part of the request is not valid; `detail` names it. Nothing was recorded.', never],
  'invalid-json': ['The body is not JSON in UTF-8, or names a key twice. Nothing was recorded.', never],
  'invalid-cursor': ['The cursor was not given by a `Link` header of this list.', never],
  'unknown-parameter': ['The operation does not take a query parameter of this name.', never],
  'repeated-parameter': ['A query parameter stands twice. Separate several values by commas.', never],
  'answer-too-large': [
    'The answer would be larger than can be sent. Ask for fewer records at a time.',
    never,
  ],
  'not-authenticated': [
    'The credential is missing, expired, revoked or mistyped. Nothing was recorded.',
    'Repeat the request with another credential.',
  ],
  'not-permitted': [
    'The credential, or its owner, does not have the permission. Nothing was recorded.',
    never,
  ],
  'not-found': ['There is no such record.', 'Repeat the request only if the record may yet come.'],
  'no-such-route': ['No operation has this path.', never],
  'method-not-allowed': [
    'The path has operations, but none with this method; see the header `Allow`.',
    never,
  ],
  conflict: ['The request contradicts what is recorded. Nothing was recorded by it.', never],
  'already-finished': ['The executed unit was finished before with different values, which stay.', never],
  'id-taken': ['Another request has started a record with this id.', 'Repeat the start with another id.'],
  'discarded-before': [
    'An admin has discarded exactly this write.',
    'Send it with another key, if it is right after all.',
  ],
  'refused-before': [
    'The main database has refused exactly this write; `detail` says why.',
    'Send it corrected, or with another key.',
  ],
  'last-admin': ['Somebody must be able to manage users. Nothing was changed.', never],
  'token-replaced': ['The token was rotated before: another one has taken its place.', never],
  'too-many-tokens': ['You have as many tokens as a user may have.', 'Repeat it after you have revoked one.'],
  'not-decidable': [
    'There is nothing to decide about this transaction in the state that it is in.',
    'Repeat the decision once main has judged the transaction.',
  ],
  'body-too-large': ['The body is larger than a transaction may be. Nothing was recorded.', never],
  'idempotency-key-reused': [
    'This Idempotency-Key stands for another request. Nothing was recorded by this one.',
    'Use a new key for a new request.',
  ],
  'too-many-requests': [
    'The rate limit is reached. Nothing was recorded.',
    'Repeat it after `Retry-After` seconds.',
  ],
  'too-many-waits': [
    'Too many requests of yours, or of the site, wait for a state at the same time.',
    'Repeat it after `Retry-After` seconds, or read without `wait`.',
  ],
  'internal-error': ['A fault on our side. Whether a write was recorded is not known.', sameKey],
  'temporarily-unavailable': [
    'A part that this request needs does not answer. `recorded` says whether a write is safe.',
    `Repeat it after \`Retry-After\` seconds. ${sameKey}`,
  ],
  'replica-unavailable': [
    'No replica that is recent enough answers.',
    'Repeat it after `Retry-After` seconds.',
  ],
  'buffer-unavailable': ['The buffer (Redis) does not answer.', 'Repeat it after `Retry-After` seconds.'],
  'statement-too-slow': [
    'The query took longer than a read may take.',
    'Ask for less, or repeat it after `Retry-After` seconds.',
  ],
  'not-acknowledged': ['No store has acknowledged the write: whether it was recorded is not known.', sameKey],
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
