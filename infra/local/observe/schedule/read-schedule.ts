import { isEcsv, readEcsvSchedule } from './ecsv.ts';
import { ScheduleError, type Schedule } from './scan.ts';
import { readTextSchedule } from './text.ts';

/**
 * Reads a ground schedule in any form that TOAST (https://github.com/hpc4cmb/toast) or the FYST planner
 * (https://github.com/ccatobs/fyst-trajectories) writes.
 * @param bytes UTF-8, with or without a byte order mark
 * @throws ScheduleError that names the first invalid line
 */
export function readSchedule(bytes: Uint8Array): Schedule {
  const text = decode(bytes);
  return isEcsv(text) ? readEcsvSchedule(text) : readTextSchedule(text);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const lines = Buffer.from(bytes).toString('latin1').split('\n');
    const bad = lines.findIndex((line) => Buffer.from(line, 'latin1').toString('utf8').includes('\ufffd'));
    throw new ScheduleError(bad + 1, 'it is not UTF-8');
  }
}
