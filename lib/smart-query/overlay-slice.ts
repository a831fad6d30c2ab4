/** The buffer's part of one slice of a list. */
import { overlaidWithin, readOverlay, type Overlay, type OverlaidSlice } from '../buffer/overlay.ts';
import { millisecondsOf, parseInstant } from '../values/instant.ts';
import type { SliceRequest } from './list-statement.ts';
import { lastMillisecondAfter } from './page-key.ts';
import type { SmartQueryParts } from './snapshot.ts';

export type OverlaySlice = Overlay & OverlaidSlice;

/** The earliest Date: no buffered record started before it. */
const firstMillisecond = -8.64e15;

export async function readOverlaySlice(
  parts: SmartQueryParts,
  { filter, after, count }: Pick<SliceRequest, 'filter' | 'after' | 'count'>,
): Promise<OverlaySlice> {
  const from = filter.from === undefined ? undefined : millisecondsWithin(filter.from);
  const ends = [
    ...(filter.to === undefined ? [] : [millisecondsWithin(filter.to)]),
    ...(after === undefined ? [] : [lastMillisecondAfter(after)]),
  ].filter((each) => each < Infinity);
  // records whose start the site does not know matter only to a filter by status: `renewRecords` looks up all others by id
  const maxUnknown = filter.status === undefined ? 0 : 1000;
  const { aggregates, ...slice } = await overlaidWithin(parts, {
    ...(filter.obsUnitId !== undefined && { obsUnitId: filter.obsUnitId }),
    ...(from !== undefined && { from }),
    ...(ends.length > 0 && { to: Math.max(firstMillisecond, Math.min(...ends)) }),
    count,
    maxUnknown,
  });
  const overlay =
    aggregates.length === 0
      ? { aggregates, entries: [], floor: slice.floor }
      : await readOverlay(parts, aggregates);
  return { ...slice, ...overlay };
}

function millisecondsWithin(instant: string): number {
  const within = parseInstant(instant)?.instant;
  return within === undefined ? Infinity : millisecondsOf(within);
}
