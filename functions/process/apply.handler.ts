/** Applies accepted transactions on main. */
import middy from '@middy/core';
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { connect } from '../../lib/function/connect.ts';
import { traced } from '../../lib/function/traced.ts';
import { pruneOutbox } from '../../lib/postgres/outbox.ts';
import { connectPostgres } from '../../lib/postgres/connect.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { confirm, reportLost } from '../../lib/replication/confirm.ts';
import { connectReplicas } from '../../lib/replication/replicas.ts';
import { scheduleCheck } from '../../lib/replication/schedule-check.ts';
import { spec } from './apply.function.ts';
import { drain, type Drained } from './drain.ts';
import {
  retryDelaySeconds,
  sleepSeconds,
  wakeAfterOutage,
  wakeForBacklog,
  wakeForHeld,
  wakeForStarts,
} from './retry.ts';
import { maintainCounts } from './maintain-counts.ts';
import { storeMessages, retryUnreadable, readMessage } from './unreadable.ts';

const connected = connect(spec, ({ settings, site, log }) => ({
  ...site,
  transactions: new Queue({ url: settings.TRANSACTIONS_QUEUE_URL }),
  checks: new Queue({ url: settings.REPLICATION_CHECKS_QUEUE_URL }),
  replicas: connectReplicas(settings.REPLICAS, {
    applicationName: spec.name,
    statementTimeoutMilliseconds: 5000,
  }),
  main: connectPostgres({
    url: settings.MAIN_DATABASE_URL,
    applicationName: spec.name,
    statementTimeoutMilliseconds: 7000,
  }),
  startWaitSeconds: settings.START_WAIT_SECONDS,
  now: Date.now,
  log,
}));

/** The last batch begins, and the last call at main ends, this long after the start; both within the time-out of the function. */
const drainMilliseconds = 4000;
const endMilliseconds = 12_500;

async function apply(event: SQSEvent): Promise<SQSBatchResponse> {
  const parts = connected();
  const { transactions, log } = parts;
  const started = Date.now();
  const messages = event.Records.map((record) => ({ record, message: readMessage(record.body) }));
  const copies = messages.flatMap(({ record, message }) =>
    message.kind === 'transaction' ? [{ record, transaction: message.transaction }] : [],
  );
  const unreadable = messages.flatMap(({ record, message }) =>
    message.kind === 'unreadable' ? [{ record, message }] : [],
  );
  const hasWake = messages.some(({ message }) => message.kind === 'wake');
  const options = { deadline: started + drainMilliseconds, end: started + endMilliseconds };
  const transactionsOf = copies.map(({ transaction }) => transaction);
  const drained = await drain(parts, transactionsOf, { ...options, always: hasWake });
  const left = copies.flatMap(({ record }, index) => {
    const outcome = drained.copies[index] ?? 'left';
    const sleeps = outcome === 'left' && !drained.mainAnswered && drained.isHeld;
    return outcome === 'recorded' ? [] : [{ record, outcome, sleeps }];
  });
  if (unreadable.length > 0) {
    const isKept =
      drained.mainAnswered &&
      (await storeMessages(
        parts,
        unreadable.map(({ message }) => message),
      ));
    const outcome = { outcome: 'left', sleeps: false } as const;
    if (!isKept) left.push(...unreadable.map(({ record }) => ({ record, ...outcome })));
  }
  if (drained.applied > 0) await confirmOrCheckLater();
  await wakeAgain(drained);
  if (drained.mainAnswered && (hasWake || drained.hasRetried)) {
    await retryUnreadable(parts, drained.hasRetried, (read) =>
      drain(parts, read, { ...options, always: false }),
    );
  }
  if (drained.mainAnswered && hasWake) {
    await pruneSometimes();
    const hasTime = Date.now() < started + drainMilliseconds;
    if (hasTime) await maintainCounts(parts);
  }
  await transactions
    .hide(
      left.map(({ record, outcome, sleeps }) => ({
        receiptHandle: record.receiptHandle,
        seconds: sleeps
          ? sleepSeconds(receiveCount(record), Date.now(), Math.random())
          : retryDelaySeconds(outcome, receiveCount(record), Math.random()),
      })),
    )
    .catch((error: unknown) => log.warn('messages return only after their visibility time-out', { error }));
  return { batchItemFailures: left.map(({ record }) => ({ itemIdentifier: record.messageId })) };
}

export const handler = traced(middy<SQSEvent, SQSBatchResponse>().handler(apply));

function receiveCount(record: SQSRecord): number {
  return Number(record.attributes.ApproximateReceiveCount);
}

async function pruneSometimes(): Promise<void> {
  const { redis, keys, main, log } = connected();
  try {
    if ((await redis.exists(keys.outboxPruned)) === 1) return;
    await pruneOutbox(main);
    await redis.set(keys.outboxPruned, '1', { ex: 3600 });
  } catch (error) {
    log.warn('pruning the outbox failed; it is retried later', { error });
  }
}

/** The replicas often have the commits already; otherwise one delayed check confirms them. */
async function confirmOrCheckLater(): Promise<void> {
  const parts = connected();
  const { log } = parts;
  try {
    const confirmed = await confirm(parts, Date.now());
    reportLost(log, confirmed);
    if (confirmed.remaining > 0) await scheduleCheck(parts, 0);
  } catch (error) {
    log.warn('confirming replication failed; the sweeper will do it', { error });
  }
}

async function wakeAgain(drained: Drained): Promise<void> {
  const wake = connected();
  try {
    if (!drained.mainAnswered) await wakeAfterOutage(wake);
    else if (drained.backlog > 0) await wakeForBacklog(wake);
    if (drained.heldSeconds !== undefined) await wakeForHeld(wake, drained.heldSeconds);
    if (drained.waitsForStart) await wakeForStarts(wake, wake.startWaitSeconds);
  } catch (error) {
    wake.log.warn('sending a wake-up failed; the sweeper will send one', { error });
  }
}
