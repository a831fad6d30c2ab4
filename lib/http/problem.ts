/** Errors as clients see them: RFC 9457 problems that say what happened, whether the observation is safe, what to do. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** of writes: whether the observation is recorded; null = not known, repeat with the same key */
  readonly recorded?: boolean | null;
  readonly [member: string]: unknown;
}

export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;

  constructor(problem: Problem, headers: Readonly<Record<string, string>> = {}) {
    super(problem.detail);
    this.problem = problem;
    this.headers = headers;
  }

  /** What lies behind it, for the log: a client is told nothing of it. */
  because(cause: unknown): this {
    this.cause = cause;
    return this;
  }
}

type Members = Readonly<Record<string, unknown>>;

const kinds = {
  badRequest: [400, 'Invalid request'],
  unauthorized: [401, 'Not authenticated'],
  forbidden: [403, 'Not permitted'],
  notFound: [404, 'Not found'],
  conflict: [409, 'Conflict'],
  tooLarge: [413, 'Body too large'],
  unprocessable: [422, 'Idempotency key reused'],
  tooManyRequests: [429, 'Too many requests'],
  internal: [500, 'Internal error'],
  unavailable: [503, 'Temporarily unavailable'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemKind = keyof typeof kinds;

function make(
  kind: ProblemKind,
  detail: string,
  members: Members = {},
  headers: Record<string, string> = {},
) {
  const [status, title] = kinds[kind];
  const slug = title.toLowerCase().replaceAll(' ', '-');
  return new ProblemError({ type: `/problems/${slug}`, title, status, detail, ...members }, headers);
}

export const problem = {
  badRequest: (detail: string, members?: Members) => make('badRequest', detail, members),
  unauthorized: (detail: string, members?: Members) =>
    make('unauthorized', detail, members, { 'WWW-Authenticate': 'Bearer' }),
  forbidden: (detail: string, members?: Members) => make('forbidden', detail, members),
  notFound: (detail: string, members?: Members) => make('notFound', detail, members),
  conflict: (detail: string, members?: Members) => make('conflict', detail, members),
  tooLarge: (detail: string, members?: Members) => make('tooLarge', detail, members),
  unprocessable: (detail: string, members?: Members) => make('unprocessable', detail, members),
  tooManyRequests: (detail: string, retryAfterSeconds: number, members?: Members) =>
    make('tooManyRequests', detail, members, { 'Retry-After': String(retryAfterSeconds) }),
  internal: (detail: string, members?: Members) => make('internal', detail, members),
  unavailable: (detail: string, retryAfterSeconds: number, members?: Members) =>
    make('unavailable', detail, members, { 'Retry-After': String(retryAfterSeconds) }),
};
