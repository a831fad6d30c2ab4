/** Checks which commits of main have reached every replica, and cleans those from the buffer. */
import middy from '@middy/core';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import * as z from 'zod/mini';
import { connect } from '../../lib/function/connect.ts';
import { traced } from '../../lib/function/traced.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { wakeMessage } from '../../lib/queue/messages.ts';
import { confirm, reportLost } from '../../lib/replication/confirm.ts';
import { connectReplicas } from '../../lib/replication/replicas.ts';
import { scheduleCheck } from '../../lib/replication/schedule-check.ts';
import { spec } from './confirm.function.ts';

const connected = connect(spec, ({ settings, site, log }) => ({
  ...site,
  transactions: new Queue({ url: settings.TRANSACTIONS_QUEUE_URL }),
  checks: new Queue({ url: settings.REPLICATION_CHECKS_QUEUE_URL }),
  replicas: connectReplicas(settings.REPLICAS, {
    applicationName: spec.name,
    statementTimeoutMilliseconds: 5000,
  }),
  log,
}));

const checkMessage = z.object({ round: z.int() });

async function check(event: SQSEvent): Promise<SQSBatchResponse> {
  const parts = connected();
  const { redis, keys, transactions, log } = parts;
  const rounds = event.Records.map(({ body }) => checkMessage.parse(JSON.parse(body)).round);
  await redis.del(keys.checkScheduled);
  const confirmed = await confirm(parts, Date.now());
  reportLost(log, confirmed);
  const { cleaned, revived, remaining } = confirmed;
  if (revived > 0) await transactions.send(wakeMessage);
  if (remaining > 0) await scheduleCheck(parts, cleaned > 0 ? 0 : Math.max(...rounds) + 1);
  return { batchItemFailures: [] };
}

export const handler = traced(middy<SQSEvent, SQSBatchResponse>().handler(check));
