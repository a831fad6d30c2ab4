/**
 * The delay of writes that only SQS has, after an outage: the queue also contains the copies of everything in Redis, all with
 * their longest back-off.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { accept } from '../../lib/buffer/accept.ts';
import { draftStart } from '../../lib/observation/record-executed-obs-unit.ts';
import { transactionMessage } from '../../lib/queue/messages.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { uuidV7 } from '../../lib/transaction/ids.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';
import { startTestStack } from '../support/test-stack.ts';

const copies = 12_000;
const writers = 24;
/** long enough for several receives of each copy */
const outageMilliseconds = 100_000;
/** number of writes that only SQS has, spread over the outage */
const alone = 20;
const giveUpMilliseconds = 300_000;

export async function benchCopies(): Promise<void> {
  const stack = await startTestStack({ roundTripMilliseconds: 10 });
  try {
    const { redisClient: redis, keys, link, main, description } = stack;
    process.env.AWS_ENDPOINT_URL_SQS = description.sqs;
    process.env.AWS_REGION ??= 'us-east-1';
    process.env.AWS_ACCESS_KEY_ID ??= 'local';
    process.env.AWS_SECRET_ACCESS_KEY ??= 'local';
    const queue = new Queue({ url: description.queues.transactions });
    link.set({ up: false });
    const began = Date.now();
    let left = copies / 10;
    const loading = Promise.all(
      Array.from({ length: writers }, async () => {
        while (left > 0) {
          left -= 1;
          const drafts = Array.from({ length: 10 }, draft);
          for (const each of drafts) {
            await accept(
              { redis, keys },
              {
                claimant: { kind: 'none', principalId: '1' },
                permission: '',
                ...each,
                nowMilliseconds: Date.now(),
                requestsPerSecond: 1e9,
                budgetBytes: 1e12,
              },
            );
          }
          await queue.sendAll(drafts.map(({ transaction }) => transactionMessage(transaction)));
        }
      }),
    );
    const writing = (async () => {
      const sent: string[] = [];
      while (sent.length < alone) {
        await delay(Math.max(0, began + (outageMilliseconds * sent.length) / alone - Date.now()));
        const { transaction } = draft();
        await queue.send(transactionMessage(transaction));
        sent.push(transaction.id);
      }
      return sent;
    })();
    await loading;
    const ids = await writing;
    const up = performance.now();
    link.set({ up: true });
    await stack.runSchedule('sweep');
    const seconds: number[] = [];
    let all: number | undefined;
    while (seconds.length < alone) {
      await delay(250);
      const { rows } = await main.query<{ n: number; there: number }>(
        `select count(*)::integer as n, count(*) filter (where transaction_id = any ($1))::integer as there from inbox`,
        [ids],
      );
      const [{ n, there } = { n: 0, there: 0 }] = rows;
      const after = (performance.now() - up) / 1000;
      while (seconds.length < there) seconds.push(after);
      if (n - there >= copies) all ??= after;
      if (after * 1000 > giveUpMilliseconds) throw new Error(`${there} of ${alone} writes have reached main`);
    }
    console.log(
      `${copies} buffered transactions: at main ${all === undefined ? 'later' : `after ${all.toFixed(1)} s`}; ` +
        `${alone} writes in SQS alone among their copies: the first after ${seconds[0]?.toFixed(1)} s, ` +
        `the last after ${seconds.at(-1)?.toFixed(1)} s`,
    );
  } finally {
    await stack.stop();
  }
}

function draft() {
  const now = Date.now();
  const heading = { id: uuidV7(now, randomBytes(10)), stamp: now * 1000, principal: '1', operation: 'bench' };
  return draftStart({ obs_unit_id: 1 }, uuidV7(now, randomBytes(10)), heading, instantOfMilliseconds(now));
}
