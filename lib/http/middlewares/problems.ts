import type { Log } from '../../observability/log.ts';
import { problem, ProblemError } from '../problem.ts';
import type { Reply } from '../request.ts';
import type { Middleware } from './exchange.ts';

/** Turns errors into problems. Unexpected errors are logged, and their details are not shown to the client. */
export function problems(log: Log): Middleware {
  return {
    onError: (exchanged) => {
      const { error, event, context } = exchanged;
      const heading = { route: event.routeKey };
      if (!(error instanceof ProblemError)) log.error('unexpected error', { ...heading, error });
      else if (error.problem.status >= 500) log.warn(error.message, { ...heading, cause: error.cause });
      const records = context.exchange?.contract.records === true;
      exchanged.response = replyOf(error, records, event.requestContext.requestId);
    },
  };
}

function replyOf(error: unknown, records: boolean, requestId: string): Reply {
  const known = error instanceof ProblemError ? error : unexpected(records);
  const { status } = known.problem;
  const recorded = records && status < 500 ? { recorded: false } : {};
  return {
    status,
    headers: { ...known.headers, 'Content-Type': 'application/problem+json' },
    text: JSON.stringify({ ...known.problem, ...recorded, request_id: requestId }),
  };
}

function unexpected(records: boolean): ProblemError {
  if (!records) return problem.internal('The server failed. Please try again.');
  return problem.internal(
    'The server failed. It is unknown whether this was recorded. Repeat the request with the same Idempotency-Key.',
    { recorded: null },
  );
}
