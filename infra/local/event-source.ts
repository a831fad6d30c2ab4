/** The event source of a queue: receives, invokes, and deletes what the function does not give back. */
import type { SQSClient } from '@aws-sdk/client-sqs';
import { DeleteMessageBatchCommand, ReceiveMessageCommand, type Message } from '@aws-sdk/client-sqs';
import * as z from 'zod/mini';
import type { QueueSpec } from '../topology.ts';
import type { Lambda } from './lambda.ts';

export interface EventSource {
  readonly stop: () => Promise<void>;
}

const response = z.object({
  batchItemFailures: z.array(z.object({ itemIdentifier: z.string() })),
});

/** @param maximumConcurrency batches at once */
export function startEventSource(
  client: SQSClient,
  options: {
    readonly queueUrl: string;
    readonly spec: QueueSpec;
    readonly batchSize: number;
    readonly lambda: Lambda;
    readonly maximumConcurrency: number;
    readonly onError: (error: unknown) => void;
  },
): EventSource {
  const { queueUrl, spec, batchSize, lambda } = options;
  const stopping = new AbortController();
  const handle = async (messages: readonly Message[]) => {
    const event = { Records: messages.map((message) => recordOf(message, spec)) };
    const { batchItemFailures } = response.parse(await lambda.invoke(event));
    const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    const done = messages.filter(({ MessageId }) => !failed.has(MessageId ?? ''));
    if (done.length === 0) return;
    await client.send(
      new DeleteMessageBatchCommand({
        QueueUrl: queueUrl,
        Entries: done.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle })),
      }),
      { abortSignal: stopping.signal },
    );
  };
  const poll = async () => {
    while (!stopping.signal.aborted) {
      try {
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({
            QueueUrl: queueUrl,
            MaxNumberOfMessages: batchSize,
            WaitTimeSeconds: 20,
            MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
          }),
          { abortSignal: stopping.signal },
        );
        if (Messages.length > 0) await handle(Messages);
      } catch (error) {
        if (stopping.signal.aborted) return;
        options.onError(error);
        await new Promise((resume) => setTimeout(resume, 200));
      }
    }
  };
  const pollers = Array.from({ length: options.maximumConcurrency }, poll);
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(pollers);
    },
  };
}

function recordOf(message: Message, spec: QueueSpec) {
  return {
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: message.Attributes ?? {},
    messageAttributes: {},
    md5OfBody: message.MD5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${spec.name}`,
    awsRegion: 'us-east-1',
  };
}
