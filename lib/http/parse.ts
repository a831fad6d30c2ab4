import * as z from 'zod/mini';
// imported separately, because `z.locales` contains every language and makes up a third of a bundle
import en from 'zod/v4/locales/en.js';
import { shortened } from './json-fault.ts';
import { problem } from './problem.ts';

z.config(en());

const shownFaults = 10;
const shownMessageLength = 300;

/**
 * Parses input of a client.
 * @param name of a path parameter; prefixes the paths of faults
 * @throws ProblemError 400 with the first ten faults and the number of all
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

/** Each unknown field is a separate fault. */
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
