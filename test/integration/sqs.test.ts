/**
 * The behaviour of SQS on which the functions rely: on the local queue, or on the endpoint in AWS_ENDPOINT_URL (LocalStack).
 */
import { SQSClient } from '@aws-sdk/client-sqs';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createQueues, startSqs, type LocalSqs, type QueueUrls } from '../../infra/local/sqs.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { eventually } from '../support/eventually.ts';

const externalEndpoint = process.env.AWS_ENDPOINT_URL;
let local: LocalSqs | undefined;
let client: SQSClient;
let urls: QueueUrls;
let queue: Queue;

beforeAll(async () => {
  local = externalEndpoint === undefined ? await startSqs() : undefined;
  const endpoint = externalEndpoint ?? local?.endpoint ?? '';
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_SQS: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  });
  client = new SQSClient({ endpoint });
  urls = (await createQueues(client)).transactions;
  queue = new Queue({ url: urls.url });
});
afterAll(async () => {
  client.destroy();
  await local?.stop();
});

async function receiveAll(count: number) {
  const bodies: string[] = [];
  await eventually(async () => {
    for (const message of await queue.receive()) {
      bodies.push(message.Body ?? '');
      await queue.delete(message.ReceiptHandle ?? '');
    }
    expect(bodies.length).toBeGreaterThanOrEqual(count);
  });
  return bodies;
}

it('SQS keeps a message until it is deleted, and hides it after it was received', async () => {
  const body = randomUUID();
  await queue.send(body);
  const message = await eventually(async () => {
    const [first] = await queue.receive();
    expect(first?.Body).toBe(body);
    return first;
  });
  expect(await queue.receive()).toEqual([]);
  await queue.hide([{ receiptHandle: message?.ReceiptHandle ?? '', seconds: 0 }]);
  expect(await receiveAll(1)).toEqual([body]);
  expect(await queue.receive()).toEqual([]);
});

it('SQS delays a message', async () => {
  const body = randomUUID();
  await queue.send(body, 1);
  expect(await queue.receive()).toEqual([]);
  expect(await receiveAll(1)).toEqual([body]);
});

it('sendAll sends more messages than fit into one call, by number and by size', async () => {
  const bodies = Array.from({ length: 23 }, (_, n) => `${n} ${'x'.repeat(n % 2 === 0 ? 200_000 : 10)}`);
  expect(await queue.sendAll(bodies)).toEqual(bodies.map(() => true));
  expect((await receiveAll(23)).sort()).toEqual([...bodies].sort());
});
