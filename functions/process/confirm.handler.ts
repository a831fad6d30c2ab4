/** Looks whether the replicas have what main has committed, and cleans what every one of them has. */
import middy from '@middy/core';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import * as z from 'zod/mini';
import { logLevel } from '../../lib/config/log-level.ts';
import { createLog } from '../../lib/observability/log.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { wakeMessage } from '../../lib/queue/messages.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { confirm, reportLost } from '../../lib/replication/confirm.ts';
import { connectReplicas } from '../../lib/replication/replicas.ts';
import { scheduleCheck } from '../../lib/replication/schedule-check.ts';
import { readConfirmSettings } from './settings.ts';

const settings = readConfirmSettings();
const keys = keysOf(settings.REDIS_PREFIX);
const redis = connectRedis({ url: settings.REDIS_URL, token: settings.REDIS_TOKEN });
const transactions = new Queue({ url: settings.TRANSACTIONS_QUEUE_URL });
const checks = new Queue({ url: settings.REPLICATION_CHECKS_QUEUE_URL });
const replicas = connectReplicas(settings.REPLICAS, {
  applicationName: 'confirm',
  statementTimeoutMilliseconds: 5000,
});

const log = createLog(logLevel, { function: 'confirm' });

const checkMessage = z.object({ round: z.int() });

export const handler = middy<SQSEvent, SQSBatchResponse>().handler(async (event) => {
  const rounds = event.Records.map(({ body }) => checkMessage.parse(JSON.parse(body)).round);
  await redis.del(keys.checkScheduled);
  const confirmed = await confirm({ redis, keys, replicas }, Date.now());
  reportLost(log, confirmed);
  const { cleaned, revived, remaining } = confirmed;
  if (revived > 0) await transactions.send(wakeMessage);
  if (remaining > 0) await scheduleCheck({ redis, keys, checks }, cleaned > 0 ? 0 : Math.max(...rounds) + 1);
  return { batchItemFailures: [] };
});
