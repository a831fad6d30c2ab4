/** A fault that somebody could make in one place, and the test that must find it. */
export interface Mutation {
  /** unique, kebab-case: what is missing or wrong */
  readonly id: string;
  /** the file that is changed, from the root */
  readonly file: string;
  /** stands in the file exactly once */
  readonly replace: string;
  readonly by: string;
  /** the test file that must fail, from `test/` */
  readonly test: string;
  /** part of the name of the test that must fail; absent: any test of the file */
  readonly named?: string;
  /** why no test can tell the difference; such a mutation is listed and not run */
  readonly equivalent?: string;
  /** why no test finds it yet, though it is a fault; such a mutation is run, and may survive */
  readonly survives?: string;
}

/** @throws Error if the text to replace is not there exactly once */
export function mutate(source: string, { id, replace, by }: Mutation): string {
  const parts = source.split(replace);
  if (parts.length !== 2) {
    throw new Error(`${id}: its text stands ${parts.length - 1} times in the file, not once: ${replace}`);
  }
  return parts.join(by);
}
