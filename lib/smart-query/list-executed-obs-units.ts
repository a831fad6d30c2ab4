/**
 * Lists of executed units, newest first, in pages. Filter, order and limit apply after the merge. A slice reads a bounded part of
 * each source and ends where the first source was cut. A page takes several slices if few of their records match.
 */
import { ReplicaUnavailable } from '../replication/errors.ts';
import type { Included } from '../observation/operations.ts';
import type { ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { UnitFilter } from '../observation/filter.ts';
import type { PageKey } from './page-key.ts';
import { readPlannedUnits } from './planned-units.ts';
import type { SmartQueryParts } from './snapshot.ts';
import { keyOf, readSlice, type UnitsSlice } from './units-slice.ts';
import type { Unseen } from './unseen.ts';

export type { PageKey } from './page-key.ts';

export type UnitsPage = UnitsSlice;

export interface UnitsRequest {
  readonly filter: UnitFilter;
  readonly limit: number;
  readonly after?: PageKey;
  readonly include?: readonly Included[];
}

/** At either limit the page ends early, with a link to the next: API Gateway allows an answer 6 MB and 30 s. */
const maxPageBytes = 5 * 1024 * 1024;
const maxPageMilliseconds = 3000;

/** Limits on the buffered records that a page and a slice read. At the first one the page ends early, with a link to the next. */
const maxScannedPerPage = 10_000;
const maxScannedPerSlice = 1000;

/**
 * Without a replica, the page holds the matching records of the buffer and is marked with `unseen`. If there are none, the read
 * fails, because an empty page would mean that no such records exist.
 * @throws ReplicaUnavailable if Redis does not answer, or if no replica does and no buffered record matches; StatementTooSlow
 */
export async function listExecutedObsUnits(
  parts: SmartQueryParts,
  { filter, limit, after, include = [] }: UnitsRequest,
): Promise<UnitsPage> {
  const began = performance.now();
  const named = readPlannedUnits(parts.replicas, filter);
  const records: ExecutedObsUnit[] = [];
  const unseen = new Set<Unseen>();
  let end = after;
  let scanned = 0;
  let bytes = 0;
  for (let count = limit + 1; scanned < maxScannedPerPage; count = Math.min(2 * count, maxScannedPerSlice)) {
    const request = { filter, limit: limit - records.length, after: end, count };
    const slice = await readSlice(parts, request, named, include);
    for (const each of slice.unseen) unseen.add(each);
    for (const record of slice.records) {
      bytes += Buffer.byteLength(JSON.stringify(record));
      const last = records.at(-1);
      if (last && bytes > maxPageBytes) return { records, next: keyOf(last), unseen: [...unseen] };
      records.push(record);
    }
    end = slice.next;
    scanned += count;
    if (end === undefined || records.length === limit) break;
    if (performance.now() - began > maxPageMilliseconds) break;
  }
  if (records.length === 0 && unseen.has('replica')) throw new ReplicaUnavailable();
  return { records, ...(end && { next: end }), unseen: [...unseen] };
}
