/** Pushes the change feed to WebSockets as long as any subscription exists. */
import middy from '@middy/core';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isAnyWatching } from '../../lib/sockets/connections.ts';
import { streams } from '../../lib/channels/channels.ts';
import { acquireLease } from '../../lib/change-feed/lease.ts';
import { broadcasterStarter } from '../../lib/change-feed/start-broadcaster.ts';
import { listen } from '../../lib/change-feed/wake.ts';
import { connect } from '../../lib/function/connect.ts';
import { traced } from '../../lib/function/traced.ts';
import { connectReplicas } from '../../lib/replication/replicas.ts';
import { spec } from './broadcast.function.ts';
import { Broadcaster } from './broadcaster.ts';
import { connectionPoster } from '../../lib/sockets/post.ts';

const connected = connect(spec, ({ settings, site, log }) => {
  const replicasFor = (applicationName: string) =>
    connectReplicas(settings.REPLICAS, { applicationName, statementTimeoutMilliseconds: 5000 });
  return {
    ...site,
    ...connectionPoster(settings.WEBSOCKET_ENDPOINT),
    replicas: replicasFor('broadcast'),
    replicasForLongReads: replicasFor('broadcast-long-reads'),
    redisSettings: { url: settings.REDIS_URL, token: settings.REDIS_TOKEN },
    startBroadcaster: broadcasterStarter(settings.BROADCAST_FUNCTION_NAME),
    lifetimeMilliseconds: settings.BROADCAST_LIFETIME_SECONDS * 1000,
    log,
  };
});

const failurePauseMilliseconds = 250;
const renewMilliseconds = 4000;
const rightsMilliseconds = 1000;
/** Longer than a page takes to reload and reconnect. */
const lingerMilliseconds = 5000;

async function broadcast(): Promise<void> {
  const parts = connected();
  const { log } = parts;
  const lease = await acquireLease(parts);
  if (!lease) return;
  const wakes = listen(
    parts.redisSettings,
    Object.values(streams).map((each) => each.wakes),
  );
  const broadcaster = new Broadcaster(
    { ...parts, now: Date.now, wake: wakes.wake },
    lease.fence,
    randomUUID(),
  );
  const ends = Date.now() + parts.lifetimeMilliseconds;
  // a round may take long while a replica does not answer: check rights independently of it
  const rights = setInterval(() => {
    broadcaster.rights
      .check(Date.now())
      .catch((error: unknown) => log.warn('checking rights failed', { error }));
  }, rightsMilliseconds);
  let renewedAt = Date.now();
  let idleSince: number | undefined;
  let hasBegun = false;
  let wasWoken = true;
  try {
    while (Date.now() < ends) {
      if (Date.now() - renewedAt > renewMilliseconds) {
        if (!(await lease.renew())) return;
        renewedAt = Date.now();
      }
      try {
        if (!hasBegun) await broadcaster.begin();
        hasBegun = true;
        await broadcaster.round(Date.now(), wasWoken);
        idleSince = broadcaster.watchers > 0 ? undefined : (idleSince ?? Date.now());
      } catch (error) {
        log.warn('a round failed; the next one repeats it', { error });
        await delay(failurePauseMilliseconds);
      }
      if (idleSince !== undefined && Date.now() - idleSince > lingerMilliseconds) break;
      wasWoken = broadcaster.hasMore || (await wakes.next(broadcaster.pauseMilliseconds));
    }
    if (hasBegun) await broadcaster.handOver();
  } finally {
    clearInterval(rights);
    wakes.stop();
    await lease.release();
  }
  if (await isAnyWatching(parts, Date.now())) await parts.startBroadcaster();
}

export const handler = traced(middy<unknown, void>().handler(broadcast));
