/** SQS with the queues of the topology. */
import { SQSClient } from '@aws-sdk/client-sqs';
import type { queues } from '../topology.ts';
import type { Parts } from './parts.ts';
import { createQueues, startSqs, type LocalSqs, type QueueUrls } from './sqs.ts';

export interface MessageQueues {
  readonly sqs: LocalSqs;
  /** that of `AWS_ENDPOINT_URL` if set */
  readonly endpoint: string;
  readonly client: SQSClient;
  readonly urls: Readonly<Record<keyof typeof queues, QueueUrls>>;
}

export async function startMessageQueues(
  visibilitySeconds: number | undefined,
  parts: Parts,
): Promise<MessageQueues> {
  return parts.start('SQS', async (onLine) => {
    const sqs = parts.keep(await startSqs(onLine));
    const endpoint = process.env.AWS_ENDPOINT_URL ?? sqs.endpoint;
    const client = new SQSClient({
      endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    parts.onStop(() => client.destroy());
    return { sqs, endpoint, client, urls: await createQueues(client, visibilitySeconds) };
  });
}
