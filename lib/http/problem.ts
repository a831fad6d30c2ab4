/** Errors for clients: RFC 9457 problems that state what happened, whether the observation is safe, and what to do. */
export interface Problem {
  /** `/problems/{code}` */
  readonly type: string;
  readonly code: ProblemCode;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** of writes: whether the observation was recorded; null if unknown: repeat with the same key */
  readonly recorded?: boolean | null;
  readonly [member: string]: unknown;
}

/**
 * All codes, with status and title. Clients branch on codes, so codes are never renamed or removed. Titles may be reworded.
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
  'no-such-route': [404, 'Route not found'],
  'method-not-allowed': [405, 'Method not allowed'],
  conflict: [409, 'Conflict'],
  'already-finished': [409, 'Already finished with different values'],
  'id-taken': [409, 'The id belongs to another record'],
  'discarded-before': [409, 'An identical request was discarded'],
  'refused-before': [409, 'An identical request was refused'],
  'last-admin': [409, 'The last active admin must remain an admin'],
  'token-replaced': [409, 'The token has been replaced'],
  'too-many-tokens': [409, 'Too many tokens'],
  'not-decidable': [409, 'Decision not possible'],
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

  /** Sets the cause, which is logged but not shown to the client. */
  because(cause: unknown): this {
    this.cause = cause;
    return this;
  }
}

/** Further members of a problem; `code` if the default one of the status is not specific enough. */
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
