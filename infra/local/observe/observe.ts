/** Observes a schedule: starts and finishes an executed unit per scan, and never waits for main. */
import { stableKey, type Answer, type ObservatoryClient } from '../../../lib/client/observatory-client.ts';
import type { Scan, Schedule } from './toast-schedule.ts';

/** how many planned units there are to point scans at */
const plannedUnits = 300;

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
  readonly ids: readonly string[];
  readonly latenciesMilliseconds: readonly number[];
  readonly errors: readonly string[];
}

export interface ObserveOptions {
  readonly client: Pick<ObservatoryClient, 'start' | 'finish'>;
  /** names the schedule in the keys: the same content repeats the same requests */
  readonly content: string;
  /** schedule seconds per second; Infinity = as fast as answers come */
  readonly speed: number;
  readonly signal: AbortSignal;
  /** waits, or returns early when the signal is aborted */
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly onProgress: (progress: Progress) => void;
}

export async function observe({ scans }: Schedule, options: ObserveOptions): Promise<Observed> {
  const { client, content, signal, onProgress } = options;
  const answers: Answer[] = [];
  const ids: string[] = [];
  const errors: string[] = [];
  let accepted = 0;
  let finished = 0;
  const clock = scheduleClock(scans, options);
  for (const [index, scan] of scans.entries()) {
    if (signal.aborted) break;
    try {
      await clock.until(scan.start);
      if (signal.aborted) break;
      const started = await client.start(startOf(scan, index), stableKey(content, index, 'start'), signal);
      answers.push(started);
      accepted += 1;
      const id = String(started.body.id);
      ids.push(id);
      await clock.until(scan.stop);
      const finish = { status: 'completed', end_time: scan.stop };
      answers.push(await client.finish(id, finish, stableKey(content, index, 'finish')));
      finished += 1;
    } catch (error) {
      errors.push(`scan ${index}: ${error instanceof Error ? error.message : String(error)}`);
    }
    onProgress({ done: index + 1, scans: scans.length, failed: errors.length });
  }
  return {
    scans: scans.length,
    accepted,
    finished,
    failed: scans.length - finished,
    replayed: answers.filter((answer) => answer.replayed).length,
    ids,
    latenciesMilliseconds: answers.map((answer) => answer.milliseconds),
    errors,
  };
}

function startOf(scan: Scan, index: number) {
  return {
    obs_unit_id: 1 + (index % plannedUnits),
    start_time: scan.start,
    metadata: {
      patch: scan.patch,
      rotation_deg: scan.rotationDegrees,
      az_min_deg: scan.azimuthMinDegrees,
      az_max_deg: scan.azimuthMaxDegrees,
      el_deg: scan.elevationDegrees,
      pass: scan.pass,
      subscan: scan.subscan,
    },
  };
}

/** The schedule's own time, `speed` times as fast, from its first scan on. */
function scheduleClock(scans: readonly Scan[], { speed, sleep }: ObserveOptions) {
  const first = Date.parse(scans[0]?.start ?? '');
  const began = performance.now();
  return {
    until: async (time: string) => {
      if (speed === Infinity) return;
      const wait = began + (Date.parse(time) - first) / speed - performance.now();
      if (wait > 0) await sleep(wait);
    },
  };
}
