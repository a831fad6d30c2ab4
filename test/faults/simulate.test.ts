/**
 * Histories in the simulator (test/simulate), each decided by its seed. `npm run simulate -- --seed N` repeats one and tells its
 * story; `SIMULATE_HISTORIES` says how many run here.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { redisEngine } from '../../infra/local/redis.ts';

const cli = fileURLToPath(new URL('../simulate/simulate.cli.ts', import.meta.url));
const run = promisify(execFile);

async function simulate(seed: number, histories: number) {
  const args = [cli, '--seed', String(seed), '--histories', String(histories), '--json'];
  // it ends with 1 if it has found something
  const { stdout } = await run(process.execPath, args, { maxBuffer: 1e9 }).catch(
    (error: { readonly stdout: string; readonly stderr: string }) => {
      if (error.stdout === '') throw new Error(error.stderr);
      return error;
    },
  );
  return JSON.parse(stdout) as { histories: number; trace: string; violations: unknown[] };
}

const count = Number(process.env.SIMULATE_HISTORIES ?? 200);
const isReal = redisEngine().isReal;

it.runIf(isReal)(
  'every history of the simulator keeps what was promised',
  async () => {
    // two processes, two cores
    const half = Math.ceil(count / 2);
    const runs = await Promise.all([simulate(1, half), simulate(1_000_001, count - half)]);
    expect(runs.flatMap(({ violations }) => violations)).toEqual([]);
    expect(runs.reduce((sum, { histories }) => sum + histories, 0)).toBe(count);
  },
  20 * 60_000,
);

it.runIf(isReal)(
  'a history of the simulator is the same in every run of its seed',
  async () => {
    const [first, second] = await Promise.all([simulate(77, 20), simulate(77, 20)]);
    expect(second.trace).toBe(first.trace);
  },
  5 * 60_000,
);
