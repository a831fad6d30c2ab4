/** An SQS queue, with time-outs for all calls. */
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
  type Message,
} from '@aws-sdk/client-sqs';
import { FreshConnections } from './fresh-connections.ts';

export interface QueueSettings {
  readonly url: string;
  /** per attempt */
  readonly timeoutMilliseconds?: number;
  readonly maxAttempts?: number;
  /** connections that were idle for as long are not used again */
  readonly suspectAfterMilliseconds?: number;
}

/** SQS allows ten entries and 1 MiB per call. */
const entriesPerCall = 10;
const bytesPerCall = 1_000_000;

export class Queue {
  readonly #client: SQSClient;
  readonly #url: string;

  constructor({
    url,
    timeoutMilliseconds = 3000,
    maxAttempts = 2,
    suspectAfterMilliseconds = 60_000,
  }: QueueSettings) {
    this.#url = url;
    const connections = new FreshConnections(suspectAfterMilliseconds);
    this.#client = new SQSClient({
      maxAttempts,
      requestHandler: {
        requestTimeout: timeoutMilliseconds,
        connectionTimeout: timeoutMilliseconds,
        // otherwise a request that times out only logs a warning
        throwOnRequestTimeout: true,
        ...connections.agents,
      },
    });
    this.#client.middlewareStack.add((next) => (args) => connections.send(() => next(args)), {
      name: 'freshConnections',
      // within the retries: each try
      step: 'finalizeRequest',
      priority: 'low',
    });
  }

  /** Opens the connection in advance. */
  async warmUp(): Promise<void> {
    await this.#client.send(
      new GetQueueAttributesCommand({ QueueUrl: this.#url, AttributeNames: ['QueueArn'] }),
    );
  }

  /** @param delaySeconds 0–900 */
  async send(body: string, delaySeconds = 0): Promise<void> {
    await this.#client.send(
      new SendMessageCommand({ QueueUrl: this.#url, MessageBody: body, DelaySeconds: delaySeconds }),
    );
  }

  /** @returns for each body whether SQS took it */
  async sendAll(bodies: readonly string[]): Promise<boolean[]> {
    return (await this.sendEach(bodies)).map((outcome) => outcome === 'taken');
  }

  /** Sends each body and returns its outcome. A refused body does not affect others, although SQS refuses its whole call. */
  async sendEach(bodies: readonly string[]): Promise<SendOutcome[]> {
    const outcomes = bodies.map((): SendOutcome => 'failed');
    for (const indexes of callsOf(bodies)) {
      try {
        await this.#sendBatch(bodies, indexes, outcomes);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        for (const index of indexes) {
          outcomes[index] = await this.send(bodies[index] ?? '').then(
            () => 'taken',
            (reason: unknown) => (isRefusal(reason) ? 'refused' : 'failed'),
          );
        }
      }
    }
    return outcomes;
  }

  async #sendBatch(
    bodies: readonly string[],
    indexes: readonly number[],
    outcomes: SendOutcome[],
  ): Promise<void> {
    const answer = await this.#client.send(
      new SendMessageBatchCommand({
        QueueUrl: this.#url,
        Entries: indexes.map((index) => ({ Id: String(index), MessageBody: bodies[index] ?? '' })),
      }),
    );
    for (const { Id } of answer.Successful ?? []) outcomes[Number(Id)] = 'taken';
    for (const { Id, SenderFault } of answer.Failed ?? []) {
      outcomes[Number(Id)] = SenderFault === true ? 'refused' : 'failed';
    }
  }

  /** Hides received messages for the given times. Messages deleted meanwhile are ignored. */
  async hide(
    messages: readonly { readonly receiptHandle: string; readonly seconds: number }[],
  ): Promise<void> {
    for (let from = 0; from < messages.length; from += entriesPerCall) {
      await this.#client.send(
        new ChangeMessageVisibilityBatchCommand({
          QueueUrl: this.#url,
          Entries: messages.slice(from, from + entriesPerCall).map(({ receiptHandle, seconds }, index) => ({
            Id: String(index),
            ReceiptHandle: receiptHandle,
            VisibilityTimeout: seconds,
          })),
        }),
      );
    }
  }

  /** Receives up to ten messages without waiting. */
  async receive(): Promise<Message[]> {
    const answer = await this.#client.send(
      new ReceiveMessageCommand({
        QueueUrl: this.#url,
        MaxNumberOfMessages: entriesPerCall,
        WaitTimeSeconds: 0,
      }),
    );
    return answer.Messages ?? [];
  }

  async delete(receiptHandle: string): Promise<void> {
    await this.#client.send(new DeleteMessageCommand({ QueueUrl: this.#url, ReceiptHandle: receiptHandle }));
  }
}

/** `refused`: SQS will always refuse it; `failed`: a retry may succeed */
export type SendOutcome = 'taken' | 'refused' | 'failed';

const refusals = /InvalidMessageContents|InvalidParameterValue|BatchRequestTooLong/;

/** Whether SQS will always refuse the message. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && refusals.test(error.name);
}

/** Indexes of `bodies`, grouped so that each group fits one call. */
function callsOf(bodies: readonly string[]): number[][] {
  const calls: number[][] = [];
  let bytes = Infinity;
  for (const [index, body] of bodies.entries()) {
    const size = Buffer.byteLength(body);
    const current = calls.at(-1);
    if (current === undefined || current.length === entriesPerCall || bytes + size > bytesPerCall) {
      calls.push([index]);
      bytes = size;
    } else {
      current.push(index);
      bytes += size;
    }
  }
  return calls;
}
