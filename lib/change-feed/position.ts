/** Whether a position stands after another one in its stream: milliseconds, then a number. */
export function isAfter(position: string, other: string): boolean {
  const [a = [0, 0], b = [0, 0]] = [position, other].map((each) => each.split('-').map(Number));
  return (a[0] ?? 0) > (b[0] ?? 0) || (a[0] === b[0] && (a[1] ?? 0) > (b[1] ?? 0));
}
