/** Response times of accept at different distances of main, with the processor stopped and all distances in turn. */
import { percentile } from '../../infra/local/percentile.ts';
import { startTestStack } from '../support/test-stack.ts';
import { openLoop, type LoadRequest } from './load.ts';

const rounds = 5;
const load = { perSecond: 40, seconds: 4 };
const states = [
  { name: '0 ms away', link: { up: true, round_trip_ms: 0 } },
  { name: '200 ms away', link: { up: true, round_trip_ms: 200 } },
  { name: '2,000 ms away', link: { up: true, round_trip_ms: 2000 } },
  { name: 'unreachable', link: { up: false } },
];

export async function benchIndependence(): Promise<void> {
  const stack = await startTestStack({ durable: true });
  try {
    await stack.quiesce();
    const { http, tokens } = stack.description;
    const start = (index: number): LoadRequest => ({
      method: 'POST',
      path: '/executed_obs_units/start',
      token: tokens.service,
      body: JSON.stringify({ obs_unit_id: 1 + (index % 300) }),
    });
    await openLoop(http, start, { perSecond: 60, seconds: 6 });
    const taken = states.map(() => [] as number[][]);
    for (let round = 0; round < rounds; round += 1) {
      for (let turn = 0; turn < states.length; turn += 1) {
        const index = (turn + round) % states.length;
        stack.link.set(states[index]?.link ?? {});
        const answers = await openLoop(http, start, load);
        taken[index]?.push(answers.map(({ milliseconds }) => milliseconds));
      }
    }
    const p50s = taken.map((each) => medianOf(each, 0.5));
    const [first = 1] = p50s;
    console.log('| main, processor stopped | p50 ms | / first | p99 ms (spread) |\n|---|---|---|---|');
    for (const [index, { name }] of states.entries()) {
      const each = taken[index] ?? [];
      const p99s = each.map((round) => percentile(round, 0.99));
      const p50 = p50s[index] ?? 0;
      console.log(
        `| ${name} | ${p50} | ${(p50 / first).toFixed(2)} | ${medianOf(each, 0.99)} (${Math.min(...p99s)}–${Math.max(...p99s)}) |`,
      );
    }
  } finally {
    await stack.stop();
  }
}

function medianOf(taken: readonly (readonly number[])[], fraction: number): number {
  return percentile(
    taken.map((round) => percentile(round, fraction)),
    0.5,
  );
}
