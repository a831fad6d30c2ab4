/** Whether a position is after another one of its stream. Positions are milliseconds, then a number. */
export function isAfter(position: string, other: string): boolean {
  const [a = [0, 0], b = [0, 0]] = [position, other].map((each) => each.split('-').map(Number));
  return (a[0] ?? 0) > (b[0] ?? 0) || (a[0] === b[0] && (a[1] ?? 0) > (b[1] ?? 0));
}
