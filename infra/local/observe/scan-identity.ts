/** The identity of a scan, independent of the file and form in which it is written. */
import { crc32 } from 'node:zlib';
import { stableKey } from '../../../lib/client/observatory-client.ts';
import type { Schedule } from './schedule/scan.ts';

/** number of planned units in the seed */
const plannedUnits = 300;

/** The planned unit of a patch, the same in every schedule. */
export function plannedUnitOf(patch: string): number {
  return 1 + (crc32(patch) % plannedUnits);
}

/** The identity of each scan: site, telescope, time, patch, pass and, among equal scans, their order. */
export function identitiesOf({ site, telescope, scans }: Schedule): readonly string[] {
  const seen = new Map<string, number>();
  return scans.map(({ start, patch, pass, subscan }) => {
    const scan = stableKey(site, telescope, start.text, patch, pass, subscan);
    const ordinal = seen.get(scan) ?? 0;
    seen.set(scan, ordinal + 1);
    return stableKey(scan, ordinal);
  });
}
