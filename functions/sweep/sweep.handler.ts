/** Runs every minute and resumes work whose message was lost. All work completes even if every message is lost. */
import middy from '@middy/core';
import { markLoaded } from '../../lib/users/users-loaded.ts';
import { loadTokens } from '../../lib/tokens/token-store.ts';
import { listActiveAdmins, loadUsers } from '../../lib/users/user-store.ts';
import { isAnyWatching, pruneConnections } from '../../lib/sockets/connections.ts';
import { isLeased } from '../../lib/change-feed/lease.ts';
import { trimFeed } from '../../lib/channels/read.ts';
import { broadcasterStarter } from '../../lib/change-feed/start-broadcaster.ts';
import { connect } from '../../lib/function/connect.ts';
import { traced } from '../../lib/function/traced.ts';
import { hasWaiting } from '../../lib/postgres/inbox.ts';
import { wakeMessage } from '../../lib/queue/messages.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { confirm, reportLost } from '../../lib/replication/confirm.ts';
import { connectReplicas, noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import { scheduleCheck } from '../../lib/replication/schedule-check.ts';
import { needMaintenance } from '../../lib/postgres/state-counts.ts';
import { recordEnds, recordUsage } from './record-tokens.ts';
import { redrive } from './redrive.ts';
import { relayChanges } from './relay-changes.ts';
import { resendOld } from './resend.ts';
import { spec } from './sweep.function.ts';

const connected = connect(spec, ({ settings, site, log }) => ({
  ...site,
  transactions: new Queue({ url: settings.TRANSACTIONS_QUEUE_URL }),
  checks: new Queue({ url: settings.REPLICATION_CHECKS_QUEUE_URL }),
  deadTransactions: new Queue({ url: settings.TRANSACTIONS_DEAD_LETTER_QUEUE_URL }),
  deadChecks: new Queue({ url: settings.REPLICATION_CHECKS_DEAD_LETTER_QUEUE_URL }),
  replicas: connectReplicas(settings.REPLICAS, {
    applicationName: spec.name,
    statementTimeoutMilliseconds: 5000,
  }),
  budgetBytes: settings.BUFFER_BUDGET_BYTES,
  startBroadcaster: broadcasterStarter(settings.BROADCAST_FUNCTION_NAME),
  log,
}));

async function sweep(): Promise<void> {
  const parts = connected();
  const { redis, keys, transactions, checks, replicas, log } = parts;
  const now = Date.now();
  await step('resend', () => resendOld(parts, now));
  await step('confirm', async () => {
    const confirmed = await confirm(parts, now);
    if (confirmed.revived > 0) await transactions.send(wakeMessage);
    reportLost(log, confirmed);
    if (confirmed.remaining > 0) await scheduleCheck(parts, 0);
    return confirmed;
  });
  await step('redrive', async () => ({
    transactions: await redrive(parts.deadTransactions, transactions),
    checks: await redrive(parts.deadChecks, checks),
  }));
  await step('waiting', async () => {
    const isWaiting = await readFromReplica(replicas, noFloor, hasWaiting);
    // they may have become applicable or overdue
    if (isWaiting) await transactions.send(wakeMessage);
    return isWaiting;
  });
  await step('relay', () => relayChanges({ ...parts, now: Date.now }));
  await step('people', async () => {
    const tokens = await readFromReplica(replicas, noFloor, async (replica) => {
      // load users first: a token must not be valid before the permissions of its owner are known
      const users = await loadUsers(parts, replica);
      if (users > 0 && (await listActiveAdmins(parts)).length === 0) {
        log.warn('no user is an active admin: see break-glass in infra/aws/README.md', {
          metric: 'NoActiveAdmin',
        });
      }
      return loadTokens(parts, replica);
    });
    const areLoaded = await markLoaded(parts, now);
    const ended = await recordEnds(parts, tokens, now);
    return { areLoaded, ended, used: await recordUsage(parts, tokens, now) };
  });
  await step('trim', () => trimFeed(parts, now));
  await step('outbox', async () => {
    // only `apply` may prune at main
    if ((await redis.exists(keys.outboxPruned, keys.mainDown)) === 0) await transactions.send(wakeMessage);
  });
  await step('counts', async () => {
    const isWanted = await readFromReplica(replicas, noFloor, needMaintenance);
    if (isWanted) await transactions.send(wakeMessage);
    return isWanted;
  });
  await step('connections', async () => {
    await pruneConnections(parts, now);
    const isMissing = !(await isLeased(parts)) && (await isAnyWatching(parts, now));
    if (isMissing) await parts.startBroadcaster();
    return { isMissing };
  });
}

export const handler = traced(middy<unknown, void>().handler(sweep));

/** Runs a step. If it fails, the others still run. */
async function step(name: string, work: () => Promise<unknown>): Promise<void> {
  const { log } = connected();
  try {
    log.debug(name, { result: await work() });
  } catch (error) {
    log.warn('a step failed; the next sweep retries it', { step: name, error });
  }
}
