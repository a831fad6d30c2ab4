/**
 * How long a write that reached SQS alone waits for main after an outage: the copies of what Redis has stand before it, and have
 * come back from the outage with their longest back-off.
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
/** so long that the copies have been tried several times */
const outageMilliseconds = 90_000;
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
    await Promise.all(
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
    await delay(Math.max(0, began + outageMilliseconds - Date.now()));
    const alone = draft();
    await queue.send(transactionMessage(alone.transaction));
    link.set({ up: true });
    const up = performance.now();
    const seconds = () => ((performance.now() - up) / 1000).toFixed(1);
    await stack.runSchedule('sweep');
    let isDrained = false;
    for (;;) {
      const { rows } = await main.query<{ n: number; alone: boolean }>(
        `select count(*)::integer as n, coalesce(bool_or(transaction_id = $1), false) as alone from inbox`,
        [alone.transaction.id],
      );
      const [{ n, alone: isThere } = { n: 0, alone: false }] = rows;
      if (!isDrained && n >= copies) console.log(`${n} that Redis has: at main after ${seconds()} s`);
      isDrained ||= n >= copies;
      if (isThere) break;
      if (performance.now() - up > giveUpMilliseconds) throw new Error('the write does not reach main');
      await delay(250);
    }
    console.log(`one write in SQS alone, behind ${copies} copies: at main after ${seconds()} s`);
  } finally {
    await stack.stop();
  }
}

function draft() {
  const now = Date.now();
  const heading = { id: uuidV7(now, randomBytes(10)), stamp: now * 1000, principal: '1', operation: 'bench' };
  return draftStart({ obs_unit_id: 1 }, uuidV7(now, randomBytes(10)), heading, instantOfMilliseconds(now));
}
