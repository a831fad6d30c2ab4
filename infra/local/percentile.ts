/** The value below which a fraction of `values` lies, rounded to a tenth; 0 without values. */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.floor(fraction * sorted.length));
  return Math.round((sorted[at] ?? 0) * 10) / 10;
}
