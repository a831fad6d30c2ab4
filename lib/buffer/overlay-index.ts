/**
 * Lua: indexes of the aggregates that have an overlay. `by_start` is a zset by start time; `by_unit` orders
 * `<planned unit>:<start>:<aggregate>` as text, so that one key serves every planned unit and a range finds one unit's;
 * `unknown` holds those of which the site knows neither.
 */
export const overlayIndexLua = `
local function is_placed(unit, start_ms)
  local n, ms = tonumber(unit or ''), tonumber(start_ms or '')
  return n and ms and n == n and ms == ms and math.abs(n) < 1e15 and math.abs(ms) < 1e15
end
local function unit_member(unit, start_ms, aggregate)
  return string.format('%010d:%015d:%s', tonumber(unit), math.max(0, tonumber(start_ms)), aggregate)
end
local function index_overlay(by_start, by_unit, unknown, unit, start_ms, aggregate)
  if is_placed(unit, start_ms) then
    redis.call('ZADD', by_start, start_ms, aggregate)
    redis.call('ZADD', by_unit, 0, unit_member(unit, start_ms, aggregate))
    redis.call('SREM', unknown, aggregate)
  else
    redis.call('SADD', unknown, aggregate)
  end
end
local function unindex_overlay(by_start, by_unit, unknown, unit, start_ms, aggregate)
  redis.call('SREM', unknown, aggregate)
  redis.call('ZREM', by_start, aggregate)
  if is_placed(unit, start_ms) then redis.call('ZREM', by_unit, unit_member(unit, start_ms, aggregate)) end
end
`;

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
