/** Observes a schedule: starts and finishes an executed unit per scan, without waiting for main. */
import {
  Refused,
  stableKey,
  type Answer,
  type ObservatoryClient,
} from '../../../lib/client/observatory-client.ts';
import { microsecondsOf } from '../../../lib/values/instant.ts';
import type { FirstReleaseScan } from './first-release-run.ts';
import { identitiesOf, plannedUnitOf } from './scan-identity.ts';
import type { Scan, ScheduledTime, Schedule } from './schedule/scan.ts';

export interface Progress {
  readonly done: number;
  readonly scans: number;
  readonly failed: number;
}

export interface Observed {
  readonly scans: number;
  /** number of acknowledged starts */
  readonly accepted: number;
  /** number of acknowledged finishes */
  readonly finished: number;
  /** number of scans whose start or finish was not acknowledged */
  readonly failed: number;
  /** number of replayed answers */
  readonly replayed: number;
  /** number of writes whose key was used with other values, e.g. after the schedule was edited; the earlier values are kept */
  readonly kept: number;
  readonly ids: readonly string[];
  readonly latenciesMilliseconds: readonly number[];
  readonly errors: readonly string[];
}

export interface ObserveOptions {
  readonly client: Pick<ObservatoryClient, 'start' | 'finish' | 'findTransaction'>;
  /** the requests that the first release sent for each scan, by line */
  readonly firstRelease: ReadonlyMap<number, FirstReleaseScan>;
  /** schedule seconds per second; Infinity = without waiting */
  readonly speed: number;
  readonly signal: AbortSignal;
  /** waits, or returns early when the signal is aborted */
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly onProgress: (progress: Progress) => void;
}

export async function observe(schedule: Schedule, options: ObserveOptions): Promise<Observed> {
  const { client, firstRelease, signal, onProgress } = options;
  const { scans } = schedule;
  const identities = identitiesOf(schedule);
  const answers: Answer[] = [];
  const ids: string[] = [];
  const errors: string[] = [];
  let accepted = 0;
  let finished = 0;
  let kept = 0;

  /** @returns undefined if the key was used with other values */
  async function answered(write: Promise<Answer>): Promise<Answer | undefined> {
    try {
      const answer = await write;
      answers.push(answer);
      return answer;
    } catch (error) {
      if (!(error instanceof Refused) || error.answer.status !== keyOfOtherValues) throw error;
      kept += 1;
      return undefined;
    }
  }

  const clock = scheduleClock(scans, options);
  for (const [index, scan] of scans.entries()) {
    if (signal.aborted) break;
    try {
      await clock.until(scan.start);
      if (signal.aborted) break;
      const key = identities[index] ?? '';
      const earlier = await findFirstReleaseScan(client, firstRelease.get(scan.line));
      const id =
        earlier?.id ??
        (await answered(client.start(startOf(schedule, scan), stableKey(key, 'start'), signal)))?.body.id;
      accepted += 1;
      if (typeof id === 'string') {
        ids.push(id);
        await clock.until(scan.stop);
        await answered(
          client.finish(
            id,
            earlier?.finish ?? finishOf(scan),
            earlier?.finishKey ?? stableKey(key, 'finish'),
          ),
        );
      }
      finished += 1;
    } catch (error) {
      errors.push(`line ${scan.line}: ${error instanceof Error ? error.message : String(error)}`);
    }
    onProgress({ done: index + 1, scans: scans.length, failed: errors.length });
  }
  return {
    scans: scans.length,
    accepted,
    finished,
    failed: scans.length - finished,
    replayed: answers.filter((answer) => answer.replayed).length,
    kept,
    ids,
    latenciesMilliseconds: answers.map((answer) => answer.milliseconds),
    errors,
  };
}

/** status of a key that was used for another request */
const keyOfOtherValues = 422;

/** @returns the scan as the first release began it, with the id of its executed unit; undefined if it did not */
async function findFirstReleaseScan(client: ObserveOptions['client'], scan: FirstReleaseScan | undefined) {
  for (const transactionId of scan?.transactionIds ?? []) {
    const transaction = await client.findTransaction(transactionId);
    const [id] = transaction?.record_ids ?? [];
    if (transaction && transaction.state !== 'discarded' && id !== undefined) return { ...scan, id };
  }
  return undefined;
}

/** Only fields that identify the scan, so that a schedule with edited pointing repeats the same request. */
function startOf({ site, telescope }: Schedule, scan: Scan) {
  const { patch, pass, subscan } = scan;
  return {
    obs_unit_id: plannedUnitOf(patch),
    start_time: scan.start.text,
    metadata: { site, telescope, patch, pass, subscan },
  };
}

function finishOf(scan: Scan) {
  return {
    status: 'completed',
    end_time: scan.stop.text,
    metadata: {
      rotation_deg: scan.rotationDegrees,
      az_min_deg: scan.azimuthMinDegrees,
      az_max_deg: scan.azimuthMaxDegrees,
      el_deg: scan.elevationDegrees,
    },
  };
}

/** The time of the schedule from its first scan on, `speed` times as fast. */
function scheduleClock(scans: readonly Scan[], { speed, sleep }: ObserveOptions) {
  const millisecondsAt = ({ instant }: ScheduledTime) => Number(microsecondsOf(instant)) / 1000;
  const first = scans[0] ? millisecondsAt(scans[0].start) : 0;
  const began = performance.now();
  return {
    until: async (time: ScheduledTime) => {
      if (speed === Infinity) return;
      const wait = began + (millisecondsAt(time) - first) / speed - performance.now();
      if (wait > 0) await sleep(wait);
    },
  };
}
