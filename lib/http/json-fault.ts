/**
 * Finds values in JSON text that could not be stored or would be returned changed: `JSON.parse` keeps only the last of duplicate keys
 * and drops `__proto__`, and main and the queue reject some texts and numbers.
 */
import { canonicalNumber } from '../values/json.ts';
import { whyNotStorable } from '../values/text.ts';

const maxDepth = 16;
const maxItems = 10_000;
const maxTextLength = 64 * 1024;

export interface JsonFault {
  /** keys and indexes from the root, joined by dots; '' for the root */
  readonly path: string;
  /** continues the path: `metadata.a` `appears twice` */
  readonly message: string;
}

interface Frame {
  /** of an object: the keys so far */
  readonly keys?: Set<string>;
  /** of an object: the key of the next value; undefined if a key comes next */
  key?: string | undefined;
  /** values so far */
  count: number;
}

const token = /[\s,:]*(?:([{[])|([}\]])|("[^"\\]*(?:\\.[^"\\]*)*")|(-?\d[-+.\deE]*)|true|false|null)/y;

/** @param text valid JSON @returns the first fault, if any */
export function findJsonFault(text: string): JsonFault | undefined {
  const frames: Frame[] = [];
  token.lastIndex = 0;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    const [, opening, closing, string, number] = found;
    const frame = frames.at(-1);
    if (closing !== undefined) {
      frames.pop();
      endValue(frames.at(-1));
      continue;
    }
    const isKey = frame?.keys !== undefined && frame.key === undefined;
    const fault =
      string === undefined ? whyNotNumber(number) : whyNotText(string, isKey ? frame.keys : undefined);
    if (isKey && string !== undefined) frame.key = decode(string);
    const message = fault ?? whyNotPlace(frames, frame);
    if (message !== undefined) return { path: pathOf(frames), message };
    if (isKey) continue;
    if (opening === undefined) endValue(frame);
    else frames.push({ count: 0, ...(opening === '{' && { keys: new Set<string>() }) });
  }
  return undefined;
}

function endValue(frame: Frame | undefined): void {
  if (frame === undefined) return;
  frame.count += 1;
  frame.key = undefined;
}

function decode(string: string): string {
  return string.includes('\\') ? (JSON.parse(string) as string) : string.slice(1, -1);
}

function whyNotNumber(number: string | undefined): string | undefined {
  return number !== undefined && canonicalNumber(number) === undefined
    ? 'is a number with more than 400 digits'
    : undefined;
}

/** @param keys of the object, if the text is one of its keys */
function whyNotText(string: string, keys: Set<string> | undefined): string | undefined {
  const text = decode(string);
  if (text.length > maxTextLength) return `is a text of more than ${maxTextLength} characters`;
  const why = whyNotStorable(text);
  if (why !== undefined) return why;
  if (keys === undefined) return undefined;
  if (text === '__proto__') return 'is a key that cannot be stored';
  if (keys.has(text)) return 'appears twice';
  keys.add(text);
  return undefined;
}

function whyNotPlace(frames: readonly Frame[], frame: Frame | undefined): string | undefined {
  if (frames.length > maxDepth) return `is nested deeper than ${maxDepth} levels`;
  return frame !== undefined && frame.count >= maxItems
    ? `exceeds the limit of ${maxItems} items`
    : undefined;
}

function pathOf(frames: readonly Frame[]): string {
  return frames.map(({ key, count }) => shortened(key ?? String(count))).join('.');
}

const shownLength = 60;

/** Shortens a client's text for a message. */
export function shortened(text: string): string {
  const shown = text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
  return shown.toWellFormed().replaceAll('\0', '\ufffd');
}
