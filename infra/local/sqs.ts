/** The topology's queues, each with its dead-letter queue, on a local SQS or the one that `AWS_ENDPOINT_URL` names. */
import type { SQSClient } from '@aws-sdk/client-sqs';
import { CreateQueueCommand, GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { queues, type QueueName, type QueueSpec } from '../topology.ts';
import { end, firstMessage, forkBound } from './process.ts';

export interface LocalSqs {
  readonly endpoint: string;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/**
 * @param inFlightMessages another limit than that of AWS; for tests
 * @throws Error with its last lines if it does not start
 */
export async function startSqs(
  onLine: (line: string) => void = () => undefined,
  inFlightMessages?: number,
): Promise<LocalSqs> {
  const args = inFlightMessages === undefined ? [] : [String(inFlightMessages)];
  const child = forkBound(new URL('sqs.process.ts', import.meta.url), args, { onLine });
  const port = Number(await firstMessage(child));
  return { endpoint: `http://127.0.0.1:${port}`, pid: child.pid ?? 0, stop: () => end(child, 'SIGTERM') };
}

export interface QueueUrls {
  readonly url: string;
  readonly deadLetterUrl: string;
}

/** @param visibilitySeconds another time-out than the topology's; for tests */
export async function createQueues(
  client: SQSClient,
  visibilitySeconds?: number,
): Promise<Record<QueueName, QueueUrls>> {
  const made = await Promise.all(
    Object.entries(queues).map(
      async ([key, spec]) => [key, await createQueue(client, spec, visibilitySeconds)] as const,
    ),
  );
  return Object.fromEntries(made) as Record<QueueName, QueueUrls>;
}

async function createQueue(
  client: SQSClient,
  spec: QueueSpec,
  visibilitySeconds = spec.visibilityTimeoutSeconds,
): Promise<QueueUrls> {
  const retention = { MessageRetentionPeriod: String(spec.retentionSeconds) };
  const deadLetterUrl = await create(client, `${spec.name}-dead-letter`, retention);
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: deadLetterUrl, AttributeNames: ['QueueArn'] }),
  );
  const url = await create(client, spec.name, {
    ...retention,
    VisibilityTimeout: String(visibilitySeconds),
    RedrivePolicy: JSON.stringify({
      deadLetterTargetArn: Attributes?.QueueArn,
      maxReceiveCount: spec.maxReceiveCount,
    }),
  });
  return { url, deadLetterUrl };
}

async function create(client: SQSClient, name: string, attributes: Record<string, string>): Promise<string> {
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: name, Attributes: attributes }));
  if (QueueUrl === undefined) throw new Error(`queue ${name} was not created`);
  // The SDK sends to the host that the queue's URL names, and a local server may name one that nobody resolves.
  const { protocol, hostname, port } = (await client.config.endpoint?.()) ?? {};
  return protocol
    ? `${protocol}//${hostname}${port ? `:${port}` : ''}${new URL(QueueUrl).pathname}`
    : QueueUrl;
}
