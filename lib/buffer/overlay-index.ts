/**
 * Bounds of one planned unit's members in `by_unit`, for ZRANGE … BYLEX.
 * @param from epoch ms, inclusive @param to epoch ms, inclusive
 */
export function unitBounds(
  obsUnitId: number,
  from?: number,
  to?: number,
): readonly [`[${string}`, `(${string}`] {
  const prefix = String(obsUnitId).padStart(10, '0');
  const lowest = from === undefined ? `${prefix}:` : `${prefix}:${startText(from)}:`;
  return [`[${lowest}`, to === undefined ? `(${prefix};` : `(${prefix}:${startText(to)};`];
}

function startText(milliseconds: number): string {
  return String(Math.max(0, Math.floor(milliseconds))).padStart(15, '0');
}

/** The aggregate of a member of `by_unit`. */
export function aggregateOfUnitMember(member: string): string {
  return member.slice(member.lastIndexOf(':') + 1);
}

/** The start of a member of `by_unit`, epoch ms. */
export function startOfUnitMember(member: string): number {
  return Number(member.split(':')[1]);
}
