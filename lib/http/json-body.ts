import { parseJson } from '../values/json.ts';
import { findJsonFault } from './json-fault.ts';
import { problem } from './problem.ts';

/** A transaction must fit an SQS message with room. */
const maxBodyBytes = 256 * 1024;

/**
 * The text of a body as API Gateway passes it on: base64 for what it does not take for text, and a text in which it has put
 * U+FFFD where the bytes were not UTF-8.
 * @throws ProblemError 400 if the client has not sent UTF-8
 */
export function bodyText(body: string | undefined, isBase64Encoded: boolean): string | undefined {
  if (body === undefined) return undefined;
  const text = isBase64Encoded ? decodeUtf8(Buffer.from(body, 'base64')) : body;
  if (text !== undefined && (isBase64Encoded || !text.includes('\ufffd'))) return text;
  throw problem.badRequest(
    'The body is not UTF-8, the only encoding of JSON. (To send the character U+FFFD itself, write it as \\ufffd.)',
    { code: 'invalid-json' },
  );
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * Reads a JSON body, all of which can be stored and given back as it was sent.
 * @returns undefined without a body; numbers keep their digits
 * @throws ProblemError 413 if it is too large, 400 that names the path of what cannot be stored
 */
export function readJsonBody(text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined;
  if (Buffer.byteLength(text) > maxBodyBytes) {
    throw problem.tooLarge(`The body may have at most ${maxBodyBytes} bytes.`);
  }
  requireJson(text);
  const fault = findJsonFault(text);
  if (fault) {
    const detail = fault.path === '' ? `The body ${fault.message}.` : `${fault.path}: ${fault.message}.`;
    throw problem.badRequest(detail, { errors: [fault] });
  }
  return parseJson(text);
}

function requireJson(text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    const [, position] = /at position (\d+)/.exec(error instanceof Error ? error.message : '') ?? [];
    const where = position === undefined ? '' : ` It cannot be read from character ${position} on.`;
    throw problem.badRequest(`The body is not JSON.${where}`, { code: 'invalid-json' });
  }
}
