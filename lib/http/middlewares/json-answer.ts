import { problem } from '../problem.ts';
import type { Middleware } from './exchange.ts';

/** Below Lambda's limit of 6 MB. */
const maxAnswerBytes = 5.5 * 1024 * 1024;

const base64Growth = 4 / 3;

/** Serializes the answer. @throws ProblemError 400 if it is too large */
export function jsonAnswer(): Middleware {
  return {
    after: (exchanged) => {
      const { body, ...reply } = exchanged.response ?? { status: 500 };
      const text = reply.text ?? (body === undefined ? undefined : JSON.stringify(body));
      const size = reply.bytes ? reply.bytes.length * base64Growth : Buffer.byteLength(text ?? '');
      if (size > maxAnswerBytes) {
        throw problem.badRequest('The answer would be too large. Request fewer records at a time.', {
          code: 'answer-too-large',
        });
      }
      exchanged.response = { ...reply, ...(text !== undefined && { text }) };
    },
  };
}
