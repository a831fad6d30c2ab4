import * as z from 'zod/mini';
// by itself: `z.locales` holds every language, a third of a bundle
import en from 'zod/v4/locales/en.js';
import { problem } from './problem.ts';

z.config(en());

/**
 * Parses what a client sent; inside, its type is trusted.
 * @throws ProblemError 400 that names each fault
 */
export function parse<S extends z.ZodMiniType>(schema: S, value: unknown): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
  const faults = errors.map(({ path, message }) => (path ? `${path}: ${message}` : message));
  throw problem.badRequest(`${faults.join('; ')}.`, { errors });
}
