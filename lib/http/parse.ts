import * as z from 'zod/mini';
// by itself: `z.locales` holds every language, a third of a bundle
import en from 'zod/v4/locales/en.js';
import { shortened } from './json-fault.ts';
import { problem } from './problem.ts';

z.config(en());

const shownFaults = 10;
const shownMessageLength = 300;

/**
 * Parses what a client sent; inside, its type is trusted.
 * @param name of what is no body or query as a whole, but a part of the path
 * @throws ProblemError 400 that names the faults: the first ten, and how many there are
 */
export function parse<S extends z.ZodMiniType>(schema: S, value: unknown, name?: string): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap((issue) => faultsOf(issue, name));
  const errors = faults.slice(0, shownFaults);
  const texts = errors.map(({ path, message }) => (path ? `${path}: ${message}` : message));
  if (faults.length > errors.length) texts.push(`and ${faults.length - errors.length} more faults`);
  throw problem.badRequest(`${texts.join('; ')}.`, { errors, error_count: faults.length });
}

interface Fault {
  readonly path: string;
  readonly message: string;
}

/** Each unknown field is a fault of its own. */
function faultsOf(issue: z.core.$ZodIssue, name: string | undefined): Fault[] {
  const path = [...(name === undefined ? [] : [name]), ...issue.path].map((part) => shortened(String(part)));
  if (issue.code !== 'unrecognized_keys') {
    return [{ path: path.join('.'), message: issue.message.slice(0, shownMessageLength) }];
  }
  return issue.keys.map((key) => ({
    path: [...path, shortened(key)].join('.'),
    message: 'is not allowed here',
  }));
}
