/**
 * Bounds of one planned unit in `by_unit`, for ZRANGE … BYLEX.
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

/** The aggregate that a member of `by_unit` names. */
export function aggregateOfUnitMember(member: string): string {
  return member.slice(member.lastIndexOf(':') + 1);
}

/** When the aggregate that a member of `by_unit` names has started, epoch ms. */
export function startOfUnitMember(member: string): number {
  return Number(member.split(':')[1]);
}
