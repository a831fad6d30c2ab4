/** Compares JSON digit for digit, independently of the code under test. */

/**
 * Like `JSON.parse`, but with each number as the text of its exact value (`#15e-1` for 1.5 and 1.50) and each object as its entries,
 * sorted, so that equal contents are equal values. Needs `context.source` (Node ≥ 22).
 */
export function exactJson(text: string): unknown {
  const reviver = (_key: string, value: unknown, context?: { source?: string }): unknown => {
    if (typeof value === 'number') return exactNumber(context?.source ?? String(value));
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
    return { entries: Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) };
  };
  return JSON.parse(text, reviver);
}

/** The value of a member of an object that {@link exactJson} returned. */
export function member(exact: unknown, name: string): unknown {
  return (exact as { entries: [string, unknown][] }).entries.find(([key]) => key === name)?.[1];
}

function exactNumber(source: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(source) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '#0';
  const power = Number(exponent) - fraction.length + digits.length - significant.length;
  return `#${sign}${significant}e${power}`;
}
