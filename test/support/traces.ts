import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { TestStack } from './test-stack.ts';

/** An SQS client for the local queues. */
export function sqsOf(stack: TestStack): SQSClient {
  return new SQSClient({
    endpoint: stack.description.sqs,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
}

/** Every Redis key except rate counters, with its size or content, to detect any write. */
export async function redisTrace(stack: TestStack): Promise<Record<string, unknown>> {
  const { redisClient: redis } = stack;
  const names = (await redis.keys('ops:*')).filter((name) => !name.startsWith('ops:rate:')).sort();
  const sizes = await Promise.all(
    names.map(async (name) => {
      const size = await sizeOf(stack, name);
      return [name, size] as const;
    }),
  );
  return Object.fromEntries(sizes);
}

/** The visible messages of the transactions queue. */
export async function queuedMessages(stack: TestStack, client: SQSClient): Promise<string[]> {
  const answer = await client.send(
    new ReceiveMessageCommand({
      QueueUrl: stack.description.queues.transactions,
      MaxNumberOfMessages: 10,
      VisibilityTimeout: 0,
    }),
  );
  return (answer.Messages ?? []).map(({ Body }) => Body ?? '');
}

async function sizeOf({ redisClient: redis }: TestStack, name: string): Promise<unknown> {
  const type: string = await redis.type(name);
  switch (type) {
    case 'zset':
      return redis.zcard(name);
    case 'hash':
      return redis.hgetall(name);
    case 'stream':
      return redis.xlen(name);
    case 'set':
      return redis.scard(name);
    default:
      return redis.get(name);
  }
}

/** Receives and deletes every visible message of the transactions queue. */
export async function drainMessages(stack: TestStack): Promise<string[]> {
  const client = sqsOf(stack);
  const QueueUrl = stack.description.queues.transactions;
  const bodies: string[] = [];
  for (;;) {
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
    );
    if (Messages.length === 0) break;
    for (const { Body, ReceiptHandle } of Messages) {
      bodies.push(Body ?? '');
      await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
  client.destroy();
  return bodies;
}
