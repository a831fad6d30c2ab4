/**
 * The requests that the first release sent for a schedule. It derived idempotency keys from the content of the file and the
 * index of a scan, so that this release would not recognise a run that the first release began. `observe` therefore looks for
 * those transactions first, by their ids, which are hashes of the requests: repeating a request would record it if it is new.
 */
import { stableKey } from '../../../lib/client/observatory-client.ts';
import { identityOf } from '../../../lib/transaction/identity.ts';

export interface FirstReleaseScan {
  /** possible ids of the transaction that started it: the id of the first release, and the id of this one */
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
 * @param content the text of the file
 * @param principal user id of the token of that run
 * @returns the scans by line, from 1; empty if the first release could not read the file
 */
export function readFirstReleaseRun(
  content: string,
  principal: string,
): ReadonlyMap<number, FirstReleaseScan> {
  const [, ...lines] = content
    .split(/\r?\n/)
    .map((text, index) => ({ text, number: index + 1 }))
    .filter(({ text }) => text.trim() !== '' && !text.startsWith('#'));
  const run = new Map<number, FirstReleaseScan>();
  for (const [index, { text, number: line }] of lines.entries()) {
    const scan = readFirstReleaseScan(scanLine.exec(text), content, index, principal);
    if (!scan) return new Map();
    run.set(line, scan);
  }
  return run;
}

function readFirstReleaseScan(
  match: RegExpExecArray | null,
  content: string,
  index: number,
  principal: string,
): FirstReleaseScan | undefined {
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
