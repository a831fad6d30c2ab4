import { parseJson } from '../values/json.ts';
import { findJsonFault } from './json-fault.ts';
import { problem } from './problem.ts';

/** Leaves room for the rest of a transaction in an SQS message. */
const maxBodyBytes = 256 * 1024;

/**
 * The text of a body. API Gateway passes bodies that it considers binary as base64, and replaces invalid UTF-8 in others by U+FFFD.
 * @throws ProblemError 400 if the body is not UTF-8
 */
export function bodyText(body: string | undefined, isBase64Encoded: boolean): string | undefined {
  if (body === undefined) return undefined;
  const text = isBase64Encoded ? decodeUtf8(Buffer.from(body, 'base64')) : body;
  if (text !== undefined && (isBase64Encoded || !text.includes('\ufffd'))) return text;
  throw problem.badRequest(
    'The body is not UTF-8. (To send the character U+FFFD itself, write it as \\ufffd.)',
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
 * Parses a JSON body and checks that it can be stored and returned unchanged. Numbers keep their digits.
 * @returns undefined if there is no body
 * @throws ProblemError 413 if it is too large, 400 with the path of a value that cannot be stored
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
    const where = position === undefined ? '' : ` The error is at character ${position}.`;
    throw problem.badRequest(`The body is not valid JSON.${where}`, { code: 'invalid-json' });
  }
}
