/**
 * What the release before this one sent for a schedule. Its keys named the file's content and the place of a scan in it, so
 * that this release would not recognise a run that the other one began. For one release `observe` looks for those
 * transactions first. It looks by their ids, which are hashes of the request: to send the request again would record it
 * where it is not known.
 */
import { stableKey } from '../../../lib/client/observatory-client.ts';
import { identityOf } from '../../../lib/transaction/identity.ts';

export interface LandedScan {
  /** ids of the transaction that started it: as that release gave them, and as this one does for the same request */
  readonly transactionIds: readonly string[];
  readonly finishKey: string;
  readonly finish: { readonly status: 'completed'; readonly end_time: string };
}

const time = String.raw`(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2}(?:\.\d+)?)`;
const number = String.raw`(-?\d+(?:\.\d+)?)`;
const scanLine = new RegExp(
  String.raw`^\s*${time}\s+${time}\s+${number}\s+(\S.*?)\s+${number}\s+${number}\s+${number}\s+(\d+)\s+(\d+)\s*$`,
);

/**
 * @param content the file as that release read it, @param principal user id of the token that it ran with
 * @returns its scans by their lines, from 1; none if it could not read the file
 */
export function readLandedRun(content: string, principal: string): ReadonlyMap<number, LandedScan> {
  const [, ...lines] = content
    .split(/\r?\n/)
    .map((text, index) => ({ text, number: index + 1 }))
    .filter(({ text }) => text.trim() !== '' && !text.startsWith('#'));
  const run = new Map<number, LandedScan>();
  for (const [index, { text, number: line }] of lines.entries()) {
    const scan = readLandedScan(scanLine.exec(text), content, index, principal);
    if (!scan) return new Map();
    run.set(line, scan);
  }
  return run;
}

function readLandedScan(
  match: RegExpExecArray | null,
  content: string,
  index: number,
  principal: string,
): LandedScan | undefined {
  if (!match) return undefined;
  const [, startDay, startTime, stopDay, stopTime, rotation, patch, azMin, azMax, elevation, pass, subscan] =
    match;
  const body = {
    obs_unit_id: 1 + (index % 300),
    start_time: `${startDay}T${startTime}Z`,
    metadata: {
      patch,
      rotation_deg: Number(rotation),
      az_min_deg: Number(azMin),
      az_max_deg: Number(azMax),
      el_deg: Number(elevation),
      pass: Number(pass),
      subscan: Number(subscan),
    },
  };
  const request = { principalId: principal, operation: 'startExecutedObsUnit', params: {}, body };
  const { id, alias } = identityOf(request, stableKey(content, index, 'start'));
  return {
    transactionIds: alias === undefined ? [id] : [alias, id],
    finishKey: stableKey(content, index, 'finish'),
    finish: { status: 'completed', end_time: `${stopDay}T${stopTime}Z` },
  };
}
