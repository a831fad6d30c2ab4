/** Two simpler designs in the same storm, to show that the storm breaks them. */
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { forkBound } from '../../../infra/local/process.ts';
import { Queue } from '../../../lib/queue/queue.ts';
import { connectRedis } from '../../../lib/redis/client.ts';
import type { TestStack } from '../../support/test-stack.ts';

export type BaselineKind = 'list' | 'queue';

export interface BaselineResult {
  readonly acknowledged: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly outOfOrder: number;
}

export class Baseline {
  readonly #stack: TestStack;
  readonly #kind: BaselineKind;
  readonly #acknowledged = new Set<string>();
  #child: ChildProcess | undefined;
  #queueUrl = '';
  #scan = 0;
  #stopped = false;

  constructor(stack: TestStack, kind: BaselineKind) {
    this.#stack = stack;
    this.#kind = kind;
  }

  async start(): Promise<void> {
    const { sqs } = this.#stack.description;
    const client = new SQSClient({
      endpoint: sqs,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    const name = `baseline-${this.#kind}`;
    await client.send(new CreateQueueCommand({ QueueName: name, Attributes: { VisibilityTimeout: '3' } }));
    client.destroy();
    this.#queueUrl = `${sqs}/000000000000/${name}`;
    this.#fork();
  }

  /** Kills the processor, which restarts at once. */
  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  #fork(): void {
    const { redis, main } = this.#stack.description;
    const throughLink = new URL(main);
    throughLink.port = String(this.#stack.link.port);
    const args = [this.#kind, redis.url, redis.token, throughLink.href, this.#queueUrl];
    this.#child = forkBound(new URL('baseline.process.ts', import.meta.url), args);
    this.#child.once('exit', () => {
      if (!this.#stopped) this.#fork();
    });
  }

  /** Writes starts and finishes until `signal` is aborted. */
  async runClient(signal: AbortSignal): Promise<void> {
    const redis = connectRedis({ ...this.#stack.description.redis, timeoutMilliseconds: 300 });
    const queue = new Queue({ url: this.#queueUrl, timeoutMilliseconds: 1500, maxAttempts: 1 });
    const write = async (item: string) => {
      for (;;) {
        try {
          await redis.lpush(`baseline:${this.#kind}`, item);
          if (this.#kind === 'queue') await queue.send(item);
          this.#acknowledged.add(item);
          return;
        } catch {
          if (signal.aborted) return;
          await delay(100);
        }
      }
    };
    while (!signal.aborted) {
      const scan = (this.#scan += 1);
      await write(`${scan} start`);
      await write(`${scan} finish`);
      await delay(60);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#child?.kill('SIGKILL');
  }

  /** Whether no write is left to be tried. */
  async isIdle(): Promise<boolean> {
    return this.#kind === 'queue' || (await this.#stack.redisClient.llen('baseline:list')) === 0;
  }

  async result(): Promise<BaselineResult> {
    const { rows } = await this.#stack.main.query<{ n: string; scan: number; operation: string }>(
      'select n, scan, operation from baseline_effect where system = $1 order by n',
      [this.#kind],
    );
    const times = new Map<string, number[]>();
    for (const { n, scan, operation } of rows) {
      const item = `${scan} ${operation}`;
      times.set(item, [...(times.get(item) ?? []), Number(n)]);
    }
    const first = (item: string) => times.get(item)?.[0];
    const scans = Array.from({ length: this.#scan }, (_, n) => n + 1);
    return {
      acknowledged: this.#acknowledged.size,
      lost: [...this.#acknowledged].filter((item) => !times.has(item)).length,
      duplicated: [...times.values()].filter(({ length }) => length > 1).length,
      outOfOrder: scans.filter(
        (scan) => (first(`${scan} finish`) ?? Infinity) < (first(`${scan} start`) ?? 0),
      ).length,
    };
  }
}
