/** Invalid variants of an argument: each value within it omitted or of another type. */
export function oddForms(arg: string): string[] {
  const odd = ['', 'x y', '{}', '-1'];
  const value = jsonOf(arg);
  return typeof value === 'object' && value !== null
    ? [...odd, ...oddValues(value).map((each) => JSON.stringify(each))]
    : odd;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function oddValues(value: unknown): unknown[] {
  const others = [undefined, {}, 'x y'];
  if (Array.isArray(value)) {
    const list: readonly unknown[] = value;
    const within = list.flatMap((each, index) => oddValues(each).map((odd) => list.with(index, odd ?? null)));
    return [...others, ...within];
  }
  if (typeof value !== 'object' || value === null) return others;
  const within = Object.entries(value).flatMap(([name, each]) =>
    oddValues(each).map((odd) => ({ ...value, [name]: odd })),
  );
  return [...others, ...within];
}
