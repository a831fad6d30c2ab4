/** What makes a scan the same one, in whatever file and form it comes. */
import { crc32 } from 'node:zlib';
import { stableKey } from '../../../lib/client/observatory-client.ts';
import type { Schedule } from './schedule/scan.ts';

/** how many planned units there are to point scans at */
const plannedUnits = 300;

/** A planned unit for a patch: the same one in every schedule. */
export function plannedUnitOf(patch: string): number {
  return 1 + (crc32(patch) % plannedUnits);
}

/** The identity of each scan: where, when, what, and, among equal ones, which. */
export function identitiesOf({ site, telescope, scans }: Schedule): readonly string[] {
  const seen = new Map<string, number>();
  return scans.map(({ start, patch, pass, subscan }) => {
    const scan = stableKey(site, telescope, start.text, patch, pass, subscan);
    const ordinal = seen.get(scan) ?? 0;
    seen.set(scan, ordinal + 1);
    return stableKey(scan, ordinal);
  });
}
