/**
 * The behaviour of SQS on which the functions rely: on the local queue, or on the endpoint in AWS_ENDPOINT_URL (LocalStack).
 */
import {
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../infra/limits.ts';
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

/** what the local SQS adds to its engine; another one has its own limits */
describe.skipIf(externalEndpoint !== undefined)('a limit of SQS', () => {
  const send = (body: string, delay?: number) =>
    client.send(new SendMessageCommand({ QueueUrl: urls.url, MessageBody: body, DelaySeconds: delay }));

  it('is 1 MiB of a message', async () => {
    await expect(send('x'.repeat(limits.messageBytes.value + 1))).rejects.toMatchObject({
      name: 'AWS.SimpleQueueService.InvalidParameterValue',
    });
    await send('x'.repeat(limits.messageBytes.value));
    await receiveAll(1);
  });

  it('is 1 MiB of a batch', async () => {
    const Entries = ['1', '2'].map((Id) => ({
      Id,
      MessageBody: 'x'.repeat(limits.messageBytes.value / 2 + 1),
    }));
    await expect(
      client.send(new SendMessageBatchCommand({ QueueUrl: urls.url, Entries })),
    ).rejects.toMatchObject({ name: 'BatchRequestTooLong' });
  });

  it('is the character set of XML', async () => {
    await expect(send('\uffff')).rejects.toMatchObject({
      name: 'AWS.SimpleQueueService.InvalidMessageContents',
    });
    await send('🔭');
    expect(await receiveAll(1)).toEqual(['🔭']);
  });

  it('is a delay of 900 s', async () => {
    await expect(send('late', limits.delaySeconds.value + 1)).rejects.toMatchObject({
      name: 'InvalidParameterValue',
    });
  });

  it('is what may be in flight', async () => {
    const small = await startSqs(undefined, 2);
    const other = new SQSClient({ endpoint: small.endpoint });
    const { url } = (await createQueues(other)).transactions;
    for (const body of ['1', '2', '3'])
      await other.send(new SendMessageCommand({ QueueUrl: url, MessageBody: body }));
    const receive = (wait: number) =>
      other.send(new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 2, WaitTimeSeconds: wait }));
    expect((await receive(0)).Messages).toHaveLength(2);
    await expect(receive(0)).rejects.toMatchObject({ name: 'OverLimit' });
    expect((await receive(1)).Messages ?? []).toEqual([]);
    other.destroy();
    await small.stop();
  });

  it('is the receive count, after which a message is a dead letter', async () => {
    const { url, deadLetterUrl } = urls;
    const arn = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: deadLetterUrl, AttributeNames: ['QueueArn'] }),
    );
    const deadLetterTargetArn = arn.Attributes?.QueueArn;
    await client.send(
      new SetQueueAttributesCommand({
        QueueUrl: url,
        Attributes: { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 }) },
      }),
    );
    await send('poison');
    const counts: (string | undefined)[] = [];
    const receive = (QueueUrl: string) =>
      client.send(
        new ReceiveMessageCommand({
          QueueUrl,
          VisibilityTimeout: 0,
          MessageSystemAttributeNames: ['ApproximateReceiveCount'],
        }),
      );
    for (let n = 0; n < 3; n += 1) {
      const { Messages } = await receive(url);
      counts.push(Messages?.[0]?.Attributes?.ApproximateReceiveCount);
    }
    expect(counts).toEqual(['1', '2', undefined]);
    expect((await receive(deadLetterUrl)).Messages).toMatchObject([{ Body: 'poison' }]);
  });
});
