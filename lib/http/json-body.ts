import { problem } from './problem.ts';

/** A transaction must fit an SQS message with room. */
export const maxBodyBytes = 256 * 1024;
const maxDepth = 16;
const maxItems = 10_000;
const maxStringLength = 64 * 1024;

/**
 * Reads a JSON body within limits.
 * @throws ProblemError 413 if it is too large, 400 if it is no JSON or nested or long beyond reason
 */
export function readJsonBody(text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined;
  if (Buffer.byteLength(text) > maxBodyBytes) {
    throw problem.tooLarge(`The body may have at most ${maxBodyBytes} bytes.`);
  }
  const value = parseJson(text);
  checkSize(value, 0);
  return value;
}

function parseJson(text: string): unknown {
  try {
    // a key `__proto__` would be taken for the prototype by whoever copies the object
    return JSON.parse(text, (key, value: unknown) => (key === '__proto__' ? undefined : value));
  } catch {
    throw problem.badRequest('The body is not JSON.');
  }
}

function checkSize(value: unknown, depth: number): void {
  if (depth > maxDepth) throw problem.badRequest(`The body is nested deeper than ${maxDepth} levels.`);
  if (typeof value === 'string') {
    if (value.length > maxStringLength) {
      throw problem.badRequest(`A text in the body is longer than ${maxStringLength} characters.`);
    }
    if (value.includes('\u0000')) throw problem.badRequest('A text in the body holds a NUL character.');
    if (!value.isWellFormed()) throw problem.badRequest('A text in the body holds half a surrogate pair.');
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const entries = Object.entries(value);
  if (entries.length > maxItems)
    throw problem.badRequest(`A list in the body has more than ${maxItems} items.`);
  for (const [key, each] of entries) {
    checkSize(key, depth);
    checkSize(each, depth + 1);
  }
}
