/** The only module that reads the environment. Settings are parsed once, and all faults are reported in one error. */
import * as z from 'zod/mini';

/** A required, non-empty text. */
export const text = z.string().check(z.minLength(1));

/** A whole number above zero, written in decimal. */
export const positiveInteger = z.pipe(
  z.string().check(z.regex(/^[1-9]\d{0,14}$/, 'must be a whole number above zero')),
  z.transform(Number),
);

/** JSON text that matches `schema`. */
export const json = <S extends z.ZodMiniType>(schema: S) =>
  z.pipe(
    z.pipe(
      z.string(),
      z.transform((value, context) => {
        try {
          return JSON.parse(value) as unknown;
        } catch {
          context.issues.push({ code: 'custom', message: 'must be JSON', input: value });
          return z.NEVER;
        }
      }),
    ),
    schema,
  );

/**
 * Reads the variables of `shape` from the environment.
 * @throws Error that names every missing or malformed variable, without its value
 */
export function readEnvironment<S extends Record<string, z.ZodMiniType>>(
  shape: S,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): z.infer<z.ZodMiniObject<S>> {
  const parsed = z.object(shape).safeParse(environment);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`environment: ${faults.join('; ')}`);
}

/** Whether this process is an instance of a function, on AWS or in the local stack. */
export const isFunctionInstance = process.env.AWS_LAMBDA_FUNCTION_NAME !== undefined;
