import { problem } from '../problem.ts';
import type { Middleware } from './exchange.ts';

/** Lambda passes on 6 MB at most. */
const maxAnswerBytes = 5.5 * 1024 * 1024;

/** Writes the answer as text. @throws ProblemError 400 if it is too large */
export function jsonAnswer(): Middleware {
  return {
    after: (exchanged) => {
      const { body, ...reply } = exchanged.response ?? { status: 500 };
      const text = reply.text ?? (body === undefined ? undefined : JSON.stringify(body));
      if (text !== undefined && Buffer.byteLength(text) > maxAnswerBytes) {
        throw problem.badRequest('The answer would be too large: ask for less at a time.', {
          code: 'answer-too-large',
        });
      }
      exchanged.response = { ...reply, ...(text !== undefined && { text }) };
    },
  };
}
