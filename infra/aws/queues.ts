import { Duration } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { queues, type QueueName } from '../topology.ts';

export interface QueueWithDeadLetters {
  readonly queue: Queue;
  readonly deadLetters: Queue;
}

/** The topology's queues, each with its dead-letter queue. */
export class Queues extends Construct {
  readonly byName: Readonly<Record<QueueName, QueueWithDeadLetters>>;

  constructor(scope: Construct, prefix: string) {
    super(scope, 'Queues');
    this.byName = Object.fromEntries(
      Object.entries(queues).map(([key, spec]) => {
        const shared = {
          encryption: QueueEncryption.SQS_MANAGED,
          enforceSSL: true,
          retentionPeriod: Duration.seconds(spec.retentionSeconds),
        };
        const deadLetters = new Queue(this, `${key}-dead-letter`, {
          ...shared,
          queueName: `${prefix}-${spec.name}-dead-letter`,
        });
        const queue = new Queue(this, key, {
          ...shared,
          queueName: `${prefix}-${spec.name}`,
          visibilityTimeout: Duration.seconds(spec.visibilityTimeoutSeconds),
          deadLetterQueue: { queue: deadLetters, maxReceiveCount: spec.maxReceiveCount },
        });
        return [key, { queue, deadLetters }];
      }),
    ) as Record<QueueName, QueueWithDeadLetters>;
  }
}
