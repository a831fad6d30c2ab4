/**
 * Lists of executed units, newest first, in pages: filter, order and limit after the merge. A look reads a bounded part of each
 * source; what it shows ends where the first source was cut. A page takes several looks if few of what they find match.
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

/** A page that is as large or has taken as long ends early, with a next one: an answer has 6 MB at most, and 30 s. */
const mostPageBytes = 5 * 1024 * 1024;
const longestMilliseconds = 3000;

/** Buffered records that one page looks at, in several looks if few of them match; then it ends early, with a next one. */
const lookedAtMost = 10_000;
const lookedAtOnce = 1000;

/**
 * With every replica away the page holds what the buffer knows, and says so. An empty page would say that nothing is there.
 * @throws ReplicaUnavailable if Redis does not answer, or no replica does and the buffer knows nothing that matches; StatementTooSlow
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
  let looked = 0;
  let bytes = 0;
  for (let count = limit + 1; looked < lookedAtMost; count = Math.min(2 * count, lookedAtOnce)) {
    const look = { filter, limit: limit - records.length, after: end, count };
    const slice = await readSlice(parts, look, named, include);
    for (const each of slice.unseen) unseen.add(each);
    for (const record of slice.records) {
      bytes += Buffer.byteLength(JSON.stringify(record));
      const last = records.at(-1);
      if (last && bytes > mostPageBytes) return { records, next: keyOf(last), unseen: [...unseen] };
      records.push(record);
    }
    end = slice.next;
    looked += count;
    if (end === undefined || records.length === limit) break;
    if (performance.now() - began > longestMilliseconds) break;
  }
  if (records.length === 0 && unseen.has('replica')) throw new ReplicaUnavailable();
  return { records, ...(end && { next: end }), unseen: [...unseen] };
}
