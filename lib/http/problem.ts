/** Errors as clients see them: RFC 9457 problems that say what happened, whether the observation is safe, what to do. */
export interface Problem {
  /** `/problems/{code}` */
  readonly type: string;
  readonly code: ProblemCode;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** of writes: whether the observation is recorded; null = not known, repeat with the same key */
  readonly recorded?: boolean | null;
  readonly [member: string]: unknown;
}

/**
 * Every code that clients may meet, with status and title. Clients branch on codes: add one, rename none. A title may be
 * reworded.
 */
export const problemCodes = {
  'invalid-request': [400, 'Invalid request'],
  'invalid-json': [400, 'The body is not valid JSON'],
  'invalid-cursor': [400, 'Invalid cursor'],
  'unknown-parameter': [400, 'Unknown query parameter'],
  'repeated-parameter': [400, 'Repeated query parameter'],
  'answer-too-large': [400, 'The answer would be too large'],
  'not-authenticated': [401, 'Not authenticated'],
  'not-permitted': [403, 'Not permitted'],
  'not-found': [404, 'Not found'],
  'no-such-route': [404, 'No such route'],
  'method-not-allowed': [405, 'Method not allowed'],
  conflict: [409, 'Conflict'],
  'already-finished': [409, 'Already finished with different values'],
  'id-taken': [409, 'The id belongs to another record'],
  'discarded-before': [409, 'The same request was discarded before'],
  'refused-before': [409, 'The same request was refused before'],
  'last-admin': [409, 'The last active admin must remain'],
  'token-replaced': [409, 'The token has been replaced'],
  'too-many-tokens': [409, 'Too many tokens'],
  'not-decidable': [409, 'Nothing to decide'],
  'body-too-large': [413, 'Body too large'],
  'idempotency-key-reused': [422, 'Idempotency key reused'],
  'too-many-requests': [429, 'Too many requests'],
  'too-many-waits': [429, 'Too many waiting requests'],
  'internal-error': [500, 'Internal error'],
  'temporarily-unavailable': [503, 'Temporarily unavailable'],
  'replica-unavailable': [503, 'No replica answers'],
  'buffer-unavailable': [503, 'The buffer does not answer'],
  'statement-too-slow': [503, 'The query took too long'],
  'not-acknowledged': [503, 'No store has acknowledged the write'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof problemCodes;

/** The codes of one HTTP status. */
type CodeOf<Status extends number> = {
  [Code in ProblemCode]: (typeof problemCodes)[Code][0] extends Status ? Code : never;
}[ProblemCode];

export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;

  constructor(problem: Problem, headers: Readonly<Record<string, string>> = {}) {
    super(problem.detail);
    this.problem = problem;
    this.headers = headers;
  }

  /** The cause, for the log: it is not shown to the client. */
  because(cause: unknown): this {
    this.cause = cause;
    return this;
  }
}

/** Further members of a problem; `code` where the usual one of the status says too little. */
interface Members<Status extends number> {
  readonly code?: CodeOf<Status>;
  readonly [member: string]: unknown;
}

function problemOf<Status extends number>(usual: CodeOf<Status>, headers: Record<string, string> = {}) {
  return (detail: string, { code = usual, ...members }: Members<Status> = {}) => {
    const [status, title] = problemCodes[code];
    return new ProblemError({ type: `/problems/${code}`, code, title, status, detail, ...members }, headers);
  };
}

function retryAfter(seconds: number): Record<string, string> {
  return { 'Retry-After': String(seconds) };
}

export const problem = {
  badRequest: problemOf<400>('invalid-request'),
  unauthorized: problemOf<401>('not-authenticated', { 'WWW-Authenticate': 'Bearer' }),
  forbidden: problemOf<403>('not-permitted'),
  notFound: problemOf<404>('not-found'),
  methodNotAllowed: (detail: string, allowed: readonly string[]) =>
    problemOf<405>('method-not-allowed', { Allow: allowed.join(', ') })(detail),
  conflict: problemOf<409>('conflict'),
  tooLarge: problemOf<413>('body-too-large'),
  unprocessable: problemOf<422>('idempotency-key-reused'),
  tooManyRequests: (detail: string, retryAfterSeconds: number, members?: Members<429>) =>
    problemOf<429>('too-many-requests', retryAfter(retryAfterSeconds))(detail, members),
  internal: problemOf<500>('internal-error'),
  unavailable: (detail: string, retryAfterSeconds: number, members?: Members<503>) =>
    problemOf<503>('temporarily-unavailable', retryAfter(retryAfterSeconds))(detail, members),
};
