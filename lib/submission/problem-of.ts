/** Maps a refused transaction to the problem for the client. */
import { problem, type ProblemError } from '../http/problem.ts';
import { maxMessageBytes, type Refused, type RefusalCode } from './submit.ts';

/** Texts for one kind of transaction. */
export interface Wording {
  /** a sentence such as `Nothing was recorded.` */
  readonly nothing: string;
  /** text if no store has acknowledged the transaction, so that it may or may not be recorded */
  readonly unknown: string;
  /** further members of the problem in that case */
  readonly members?: Readonly<Record<string, unknown>>;
}

const secondsToRetry = 2;

const problemOfCode: Readonly<Record<RefusalCode, (wording: Wording, detail: string) => ProblemError>> = {
  unauthorized: (_wording, detail) => problem.unauthorized(detail),
  forbidden: ({ nothing }) =>
    problem.forbidden(
      `This credential does not have the required permission, or its owner has lost it. ${nothing}`,
    ),
  too_many: ({ nothing }) =>
    problem.tooManyRequests(`Too many requests. ${nothing} Repeat the request a little later.`, 1),
  too_large: ({ nothing }, bytes) =>
    problem.tooLarge(
      `With expanded numbers this request has ${bytes} bytes, more than the limit of ${maxMessageBytes}. ${nothing} Send less data at a time.`,
    ),
  key_reused: ({ nothing }) =>
    problem.unprocessable(
      `This Idempotency-Key was used for another request. ${nothing} Use a new key for a new request.`,
    ),
  taken: ({ nothing }) =>
    problem.conflict(
      `This id belongs to a record that another request has started. ${nothing} Send another id, or omit it.`,
      { code: 'id-taken' },
    ),
  finished: (_wording, status) =>
    problem.conflict(
      `Already finished as \`${status}\` with different values. The first finish remains valid. Nothing was recorded by this request.`,
      { code: 'already-finished' },
    ),
  before_start: ({ nothing }, start) =>
    problem.badRequest(
      `end_time: is before the start of this observation, ${start}. ${nothing} Send the time at which it ended.`,
      { errors: [{ path: 'end_time', message: `is before the start, ${start}` }] },
    ),
  refused_before: ({ nothing }, reason) =>
    problem.conflict(
      `The main database has already refused this request: ${reason}. ${nothing} Send a corrected request with a new key.`,
      { code: 'refused-before' },
    ),
  discarded_before: ({ nothing }, reason) =>
    problem.conflict(
      `An admin has already discarded this request: ${reason}. ${nothing} Send a corrected request with a new key.`,
      { code: 'discarded-before' },
    ),
  no_room: ({ nothing }) =>
    problem.unavailable(
      `The buffer accepts no writes at the moment. ${nothing} Please try again later.`,
      secondsToRetry,
      {
        recorded: false,
      },
    ),
  not_acknowledged: ({ unknown, members }) =>
    problem.unavailable(unknown, secondsToRetry, { code: 'not-acknowledged', recorded: null, ...members }),
};

export function problemOf({ code, detail = '' }: Refused, wording: Wording): ProblemError {
  return problemOfCode[code](wording, detail);
}
