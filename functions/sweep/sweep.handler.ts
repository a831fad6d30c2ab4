/** Every minute: whatever a lost message has left lying is taken up again. With every message lost all still completes. */
import middy from '@middy/core';
import { markLoaded } from '../../lib/users/everybody-loaded.ts';
import { loadTokens } from '../../lib/tokens/token-store.ts';
import { listActiveAdmins, loadUsers } from '../../lib/users/user-store.ts';
import { isAnyWatching, pruneConnections } from '../../lib/change-feed/connections.ts';
import { isLeased } from '../../lib/change-feed/lease.ts';
import { trimFeed } from '../../lib/change-feed/read.ts';
import { broadcasterStarter } from '../../lib/change-feed/start-broadcaster.ts';
import { logLevel } from '../../lib/config/log-level.ts';
import { createLog } from '../../lib/observability/log.ts';
import { hasWaiting } from '../../lib/postgres/inbox.ts';
import { wakeMessage } from '../../lib/queue/messages.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { confirm, reportLost } from '../../lib/replication/confirm.ts';
import { connectReplicas, noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import { scheduleCheck } from '../../lib/replication/schedule-check.ts';
import { needMaintenance } from '../../lib/postgres/state-counts.ts';
import { recordEnds, recordUsage } from './record-tokens.ts';
import { redrive } from './redrive.ts';
import { relayChanges } from './relay-changes.ts';
import { resendOld } from './resend.ts';
import { settings } from './settings.ts';

const redis = connectRedis({ url: settings.REDIS_URL, token: settings.REDIS_TOKEN });
const keys = keysOf(settings.REDIS_PREFIX);
const transactions = new Queue({ url: settings.TRANSACTIONS_QUEUE_URL });
const checks = new Queue({ url: settings.REPLICATION_CHECKS_QUEUE_URL });
const deadTransactions = new Queue({ url: settings.TRANSACTIONS_DEAD_LETTER_QUEUE_URL });
const deadChecks = new Queue({ url: settings.REPLICATION_CHECKS_DEAD_LETTER_QUEUE_URL });
const replicas = connectReplicas(settings.REPLICAS, {
  applicationName: 'sweep',
  statementTimeoutMilliseconds: 5000,
});
const startBroadcaster = broadcasterStarter(settings.BROADCAST_FUNCTION_NAME);
const log = createLog(logLevel, { function: 'sweep' });

export const handler = middy<unknown, void>().handler(async () => {
  const now = Date.now();
  await step('resend', () => resendOld({ redis, keys, transactions, log }, now));
  await step('confirm', async () => {
    const confirmed = await confirm({ redis, keys, replicas }, now);
    if (confirmed.revived > 0) await transactions.send(wakeMessage);
    reportLost(log, confirmed);
    if (confirmed.remaining > 0) await scheduleCheck({ redis, keys, checks }, 0);
    return confirmed;
  });
  await step('redrive', async () => ({
    transactions: await redrive(deadTransactions, transactions),
    checks: await redrive(deadChecks, checks),
  }));
  await step('waiting', async () => {
    const isWaiting = await readFromReplica(replicas, noFloor, hasWaiting);
    // what it waits for may be there by now, or it has waited for too long
    if (isWaiting) await transactions.send(wakeMessage);
    return isWaiting;
  });
  await step('relay', () => relayChanges({ redis, keys, replicas, log, now: Date.now }));
  await step('people', async () => {
    const tokens = await readFromReplica(replicas, noFloor, async (replica) => {
      // no token is good before it is known what its owner may do
      const users = await loadUsers({ redis, keys }, replica);
      if (users > 0 && (await listActiveAdmins({ redis, keys })).length === 0) {
        log.warn('no user is an active admin: see break-glass in infra/aws/README.md', {
          metric: 'NoActiveAdmin',
        });
      }
      return loadTokens({ redis, keys }, replica);
    });
    const areLoaded = await markLoaded({ redis, keys }, now);
    const parts = { redis, keys, transactions, log, budgetBytes: settings.BUFFER_BUDGET_BYTES };
    const ended = await recordEnds(parts, tokens, now);
    return { areLoaded, ended, used: await recordUsage(parts, tokens, now) };
  });
  await step('trim', () => trimFeed({ redis, keys }, now));
  await step('outbox', async () => {
    // who applies is the one who can prune
    if ((await redis.exists(keys.outboxPruned, keys.mainDown)) === 0) await transactions.send(wakeMessage);
  });
  await step('counts', async () => {
    const isWanted = await readFromReplica(replicas, noFloor, needMaintenance);
    if (isWanted) await transactions.send(wakeMessage);
    return isWanted;
  });
  await step('connections', async () => {
    await pruneConnections({ redis, keys }, now);
    const isMissing = !(await isLeased({ redis, keys })) && (await isAnyWatching({ redis, keys }, now));
    if (isMissing) await startBroadcaster();
    return { isMissing };
  });
});

/** A step that fails does not keep the others from their turn. */
async function step(name: string, work: () => Promise<unknown>): Promise<void> {
  try {
    log.debug(name, { result: await work() });
  } catch (error) {
    log.warn('a step failed; the next sweep tries again', { step: name, error });
  }
}
