/** An outage, and chains of invocations that Lambda cuts: the sweep takes over. */
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { eventually } from '../support/eventually.ts';
import { startTestStack, startUnit, type TestStack } from '../support/test-stack.ts';
import { watch } from '../support/watching-clients.ts';

/** instead of 16, so that a chain ends within seconds */
const longestChain = 3;

let stack: TestStack;
let client: SQSClient;
beforeAll(async () => {
  stack = await startTestStack({
    settings: { ANSWER_BUDGET_MS: 'always', BROADCAST_LIFETIME_SECONDS: '1' },
    rules: { longestChain },
  });
  client = new SQSClient({
    endpoint: stack.description.sqs,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
});
afterAll(async () => {
  client.destroy();
  await stack.stop();
});

const inspected = z.object({
  messages: z.object({
    inflight: z.array(z.object({ message: z.object({ body: z.string() }), visibilityDeadline: z.number() })),
  }),
});

/** Seconds for which each copy is still hidden. */
async function sleeps(): Promise<number[]> {
  const response = await fetch(`${stack.description.sqs}/_fauxqs/queues/transactions`);
  const { messages } = inspected.parse(await response.json());
  const copies = messages.inflight.filter(({ message }) => message.body.includes('"kind":"transaction"'));
  return copies.map(({ visibilityDeadline }) => (visibilityDeadline - Date.now()) / 1000);
}

async function deadLetters(): Promise<number> {
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({
      QueueUrl: `${stack.description.queues.transactions}-dead-letter`,
      AttributeNames: ['ApproximateNumberOfMessages'],
    }),
  );
  return Number(Attributes?.ApproximateNumberOfMessages);
}

async function recorded(ids: readonly unknown[]): Promise<number> {
  const { rows } = await stack.main.query('select from executed_obs_unit where id = any($1)', [ids]);
  return rows.length;
}

it('copies that Redis holds sleep through an outage, and the sweep probes main once the chain is cut', async () => {
  stack.link.set({ up: false });
  const ids: unknown[] = [];
  for (let n = 0; n < 5; n += 1) ids.push((await startUnit(stack.api, { obs_unit_id: 40 + n })).body.id);
  await eventually(
    async () => {
      const left = await sleeps();
      expect(left).toHaveLength(ids.length);
      for (const seconds of left) expect(seconds).toBeGreaterThan(15);
    },
    { timeoutMs: 40_000, everyMs: 200 },
  );
  // main is away, and nothing probes it any more
  await eventually(async () => expect(await deadLetters()).toBeGreaterThan(0), { timeoutMs: 40_000 });
  await eventually(async () => expect(await stack.redisClient.exists(stack.keys.wakeScheduled)).toBe(0));
  stack.link.set({ up: true });
  await stack.runSchedule('sweep');
  await eventually(async () => expect(await recorded(ids)).toBe(ids.length), { timeoutMs: 40_000 });
});

it('a chain of broadcasters that is cut begins again with the sweep', async () => {
  const watching = watch(stack, 60_000);
  const { broadcast } = stack.parts.lambdas;
  await eventually(() => expect(watching.transfers.length).toBeGreaterThan(0), { timeoutMs: 20_000 });
  await eventually(
    async () => {
      expect(broadcast.invocations).toBeGreaterThanOrEqual(longestChain);
      expect(await stack.redisClient.exists(stack.keys.broadcaster)).toBe(0);
    },
    { timeoutMs: 20_000 },
  );
  const before = watching.transfers.length;
  await stack.main.query("update data_transfer set status = 'failed' where id = 3");
  await eventually(
    async () => {
      await stack.runSchedule('sweep');
      expect(watching.transfers.length).toBeGreaterThan(before);
    },
    { timeoutMs: 30_000, everyMs: 500 },
  );
  watching.client.close();
});
