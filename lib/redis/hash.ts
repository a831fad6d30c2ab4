import * as z from 'zod/mini';

/** The answer of HGETALL: fields and values alternate. */
const flat = z.array(z.string());

/** A hash as an object, or null if it does not exist. */
export const redisHash = z.pipe(
  flat,
  z.transform((texts): Record<string, string> | null => {
    if (texts.length === 0) return null;
    return Object.fromEntries(
      texts.flatMap((field, index) => (index % 2 === 0 ? [[field, texts[index + 1] ?? '']] : [])),
    );
  }),
);
