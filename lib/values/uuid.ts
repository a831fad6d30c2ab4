import * as z from 'zod/mini';

const pattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A UUID in lower case. Any version is allowed, because rows inserted by plain SQL may have any. */
export const uuid = z.pipe(
  z.string().check(z.regex(pattern, 'must be a UUID')),
  z.transform((id) => id.toLowerCase()),
);

export function isUuid(text: string): boolean {
  return pattern.test(text);
}
