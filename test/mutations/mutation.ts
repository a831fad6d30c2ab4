/** A fault in one place, and the test that must find it. */
export interface Mutation {
  /** unique, kebab-case: describes the fault */
  readonly id: string;
  /** the file that is changed, from the root */
  readonly file: string;
  /** a text that is in the file exactly once */
  readonly replace: string;
  readonly by: string;
  /** the test file that must fail, from `test/` */
  readonly test: string;
  /** part of the name of the test that must fail; without it, any test of the file */
  readonly named?: string;
  /** why no test can find a difference; such a mutation is listed and not run */
  readonly equivalent?: string;
  /** why no test finds this fault yet; such a mutation is run and may survive */
  readonly survives?: string;
}

/** @throws Error unless the text to replace is in `source` exactly once */
export function mutate(source: string, { id, replace, by }: Mutation): string {
  const parts = source.split(replace);
  if (parts.length !== 2) {
    throw new Error(`${id}: its text is in the file ${parts.length - 1} times instead of once: ${replace}`);
  }
  return parts.join(by);
}
