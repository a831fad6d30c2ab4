/** The throughput of draining a backlog over 200 ms, relative to one transaction at a time, with and without poison. */
import { randomBytes } from 'node:crypto';
import { accept } from '../../lib/buffer/accept.ts';
import { draftStart } from '../../lib/observation/record-executed-obs-unit.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { connectPostgres } from '../../lib/postgres/connect.ts';
import { uuidV7 } from '../../lib/transaction/ids.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';

/** a day at one transaction a second */
const backlog = 86_400;
const writers = 24;

export async function benchDrain(): Promise<void> {
  const stack = await startTestStack({ roundTripMilliseconds: 200, durable: true });
  try {
    const single = await oneAtATime(stack);
    console.log(`one at a time over 200 ms: ${single.toFixed(1)} transactions/s`);
    for (const poison of [0, 0.01]) {
      const seconds = await drain(stack, poison === 0 ? backlog : backlog / 10, poison);
      const count = poison === 0 ? backlog : backlog / 10;
      const rate = count / seconds;
      console.log(
        `${count} buffered, ${poison * 100} % poison: drained in ${seconds.toFixed(1)} s, ` +
          `${Math.round(rate)} transactions/s, ${Math.round(rate / single)} × one at a time`,
      );
    }
  } finally {
    await stack.stop();
  }
}

function draft(now: number, obsUnitId: number) {
  const id = uuidV7(now, randomBytes(10));
  const heading = { id, stamp: now * 1000, principal: '1', operation: 'bench' };
  return draftStart(
    { obs_unit_id: obsUnitId },
    uuidV7(now, randomBytes(10)),
    heading,
    instantOfMilliseconds(now),
  );
}

async function oneAtATime(stack: TestStack): Promise<number> {
  const url = new URL(stack.description.main);
  url.port = String(stack.link.port);
  const main = connectPostgres({ url: url.href, applicationName: 'bench' });
  await applyTransactions(main, [draft(Date.now(), 1).transaction], 900);
  const began = performance.now();
  const count = 20;
  for (let n = 0; n < count; n += 1) await applyTransactions(main, [draft(Date.now(), 1).transaction], 900);
  await main.end();
  return (count * 1000) / (performance.now() - began);
}

async function drain(stack: TestStack, count: number, poison: number): Promise<number> {
  const { redisClient, keys, link, main } = stack;
  link.set({ up: false });
  let left = count;
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (left > 0) {
        left -= 1;
        const obsUnitId = left % 100 < poison * 100 ? 900_000 : 1 + (left % 300);
        await accept(
          { redis: redisClient, keys },
          {
            claimant: { kind: 'none', principalId: '1' },
            permission: '',
            ...draft(Date.now(), obsUnitId),
            nowMilliseconds: Date.now(),
            requestsPerSecond: 1e9,
            budgetBytes: 1e12,
          },
        );
      }
    }),
  );
  const before = await inboxCount(main);
  link.set({ up: true });
  const began = performance.now();
  await stack.runSchedule('sweep');
  for (;;) {
    if ((await inboxCount(main)) - before >= count) return (performance.now() - began) / 1000;
    await new Promise((resume) => setTimeout(resume, 100));
  }
}

async function inboxCount(main: TestStack['main']): Promise<number> {
  const { rows } = await main.query<{ n: number }>('select count(*)::integer as n from inbox');
  return rows[0]?.n ?? 0;
}
