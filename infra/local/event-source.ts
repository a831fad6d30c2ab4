/** The event source of a queue: receives, invokes, and deletes what the function does not give back. */
import type { SQSClient } from '@aws-sdk/client-sqs';
import {
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type Message,
} from '@aws-sdk/client-sqs';
import * as z from 'zod/mini';
import type { QueueSpec } from '../topology.ts';
import type { Lambda } from './lambda.ts';
import { pauseAfterThrottle, pollersOf } from './limits/event-source.ts';
import { isRefused, messagesInEvent } from './limits/invocation.ts';
import { isLoop, longest } from './limits/lineage.ts';
import type { QueueUrls } from './sqs.ts';

export interface EventSource {
  readonly stop: () => Promise<void>;
}

interface EventSourceOptions {
  readonly urls: QueueUrls;
  readonly spec: QueueSpec;
  readonly batchSize: number;
  readonly lambda: Pick<Lambda, 'invoke' | 'name'>;
  /** batches at once */
  readonly maximumConcurrency: number;
  /** invocations in one chain: a message of a longer one goes to the dead letters */
  readonly longestChain: number;
  readonly onError: (error: unknown) => void;
}

const response = z.object({
  batchItemFailures: z.array(z.object({ itemIdentifier: z.string() })),
});

const failurePauseMilliseconds = 200;

export function startEventSource(client: SQSClient, options: EventSourceOptions): EventSource {
  const stopping = new AbortController();
  const poller = new Poller(client, options, stopping.signal);
  const pollers = Array.from({ length: pollersOf(options.maximumConcurrency) }, () => poller.poll());
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(pollers);
    },
  };
}

class Poller {
  readonly #client: SQSClient;
  readonly #options: EventSourceOptions;
  readonly #stopping: AbortSignal;

  constructor(client: SQSClient, options: EventSourceOptions, stopping: AbortSignal) {
    this.#client = client;
    this.#options = options;
    this.#stopping = stopping;
  }

  async poll(): Promise<void> {
    while (!this.#stopping.aborted) {
      try {
        const messages = await this.#receive();
        await this.#handle(await this.#withoutLoops(messages));
      } catch (error) {
        if (this.#stopping.aborted) return;
        this.#options.onError(error);
        await this.#pause(failurePauseMilliseconds);
      }
    }
  }

  async #receive(): Promise<Message[]> {
    const { urls, batchSize } = this.#options;
    const { Messages = [] } = await this.#client.send(
      new ReceiveMessageCommand({
        QueueUrl: urls.url,
        MaxNumberOfMessages: batchSize,
        WaitTimeSeconds: 20,
        MessageSystemAttributeNames: ['All'],
      }),
      { abortSignal: this.#stopping },
    );
    return Messages;
  }

  /** Moves messages of a loop to the dead letters. @returns the others */
  async #withoutLoops(messages: readonly Message[]): Promise<readonly Message[]> {
    const { lambda, longestChain, urls } = this.#options;
    const loops = messages.filter((message) => isLoop(traceOf(message), lambda.name, longestChain));
    if (loops.length === 0) return messages;
    for (const { Body } of loops)
      await this.#client.send(new SendMessageCommand({ QueueUrl: urls.deadLetterUrl, MessageBody: Body }));
    await this.#delete(loops);
    return messages.filter((message) => !loops.includes(message));
  }

  async #handle(messages: readonly Message[]): Promise<void> {
    const receivedAt = performance.now();
    for (let rest = messages; rest.length > 0;) {
      const records = rest.map((message) => recordOf(message, this.#options.spec));
      const count = messagesInEvent(records.map((record) => Buffer.byteLength(JSON.stringify(record))));
      const batch = rest.slice(0, count);
      const answer = await this.#invoke(records.slice(0, count), batch.map(traceOf), receivedAt);
      if (answer === undefined) return;
      const failed = new Set(answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      await this.#delete(batch.filter(({ MessageId }) => !failed.has(MessageId ?? '')));
      rest = rest.slice(count);
    }
  }

  /** @returns undefined if the function was throttled for as long as the messages are hidden */
  async #invoke(records: readonly object[], traces: readonly (string | undefined)[], receivedAt: number) {
    const { lambda, spec } = this.#options;
    for (let throttles = 1; ; throttles += 1) {
      try {
        return response.parse(await lambda.invoke({ Records: records }, longest(traces, lambda.name)));
      } catch (error) {
        if (!isRefused(error, 'TooManyRequestsException')) throw error;
        const elapsed = (performance.now() - receivedAt) / 1000;
        const pause = pauseAfterThrottle(throttles, elapsed, spec.visibilityTimeoutSeconds);
        if (pause === undefined || this.#stopping.aborted) return undefined;
        await this.#pause(pause * 1000);
      }
    }
  }

  async #delete(messages: readonly Message[]): Promise<void> {
    if (messages.length === 0) return;
    await this.#client.send(
      new DeleteMessageBatchCommand({
        QueueUrl: this.#options.urls.url,
        Entries: messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle })),
      }),
      { abortSignal: this.#stopping },
    );
  }

  async #pause(milliseconds: number): Promise<void> {
    await new Promise<void>((resume) => {
      const timer = setTimeout(resume, milliseconds);
      this.#stopping.addEventListener('abort', () => {
        clearTimeout(timer);
        resume();
      });
    });
  }
}

function traceOf({ Attributes }: Message): string | undefined {
  return Attributes?.AWSTraceHeader;
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
