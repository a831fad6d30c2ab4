/** Observes a schedule: starts and finishes an executed unit per scan, and never waits for main. */
import {
  Refused,
  stableKey,
  type Answer,
  type ObservatoryClient,
} from '../../../lib/client/observatory-client.ts';
import { microsecondsOf } from '../../../lib/values/instant.ts';
import type { LandedScan } from './landed-run.ts';
import { identitiesOf, plannedUnitOf } from './scan-identity.ts';
import type { Scan, ScheduledTime, Schedule } from './schedule/scan.ts';

export interface Progress {
  readonly done: number;
  readonly scans: number;
  readonly failed: number;
}

export interface Observed {
  readonly scans: number;
  /** starts that were acknowledged */
  readonly accepted: number;
  /** finishes that were acknowledged */
  readonly finished: number;
  /** scans of which one was not */
  readonly failed: number;
  /** answers that repeated an earlier one */
  readonly replayed: number;
  /** writes whose key stands for an earlier one with other values, as of an edited schedule: that one is kept */
  readonly kept: number;
  readonly ids: readonly string[];
  readonly latenciesMilliseconds: readonly number[];
  readonly errors: readonly string[];
}

export interface ObserveOptions {
  readonly client: Pick<ObservatoryClient, 'start' | 'finish' | 'findTransaction'>;
  /** what the release before this one sent for each scan, by its line */
  readonly landed: ReadonlyMap<number, LandedScan>;
  /** schedule seconds per second; Infinity = as fast as answers come */
  readonly speed: number;
  readonly signal: AbortSignal;
  /** waits, or returns early when the signal is aborted */
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly onProgress: (progress: Progress) => void;
}

export async function observe(schedule: Schedule, options: ObserveOptions): Promise<Observed> {
  const { client, landed, signal, onProgress } = options;
  const { scans } = schedule;
  const identities = identitiesOf(schedule);
  const answers: Answer[] = [];
  const ids: string[] = [];
  const errors: string[] = [];
  let accepted = 0;
  let finished = 0;
  let kept = 0;

  /** @returns undefined if the key stands for a write with other values */
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
      const begun = await findLanded(client, landed.get(scan.line));
      const id =
        begun?.id ??
        (await answered(client.start(startOf(schedule, scan), stableKey(key, 'start'), signal)))?.body.id;
      accepted += 1;
      if (typeof id === 'string') {
        ids.push(id);
        await clock.until(scan.stop);
        await answered(
          client.finish(id, begun?.finish ?? finishOf(scan), begun?.finishKey ?? stableKey(key, 'finish')),
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

/** 422: "same key, other request" */
const keyOfOtherValues = 422;

/** @returns the scan as the release before this one began it, with the id of its executed unit; undefined if it did not */
async function findLanded(client: ObserveOptions['client'], scan: LandedScan | undefined) {
  for (const transactionId of scan?.transactionIds ?? []) {
    const transaction = await client.findTransaction(transactionId);
    const [id] = transaction?.record_ids ?? [];
    if (transaction && transaction.state !== 'discarded' && id !== undefined) return { ...scan, id };
  }
  return undefined;
}

/** Only what identifies the scan: a schedule whose pointing was edited repeats the same request, and can be finished. */
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

/** The schedule's own time, `speed` times as fast, from its first scan on. */
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
