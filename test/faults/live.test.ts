/** Live clients stay consistent while everything between them and the feed breaks. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startRedis, type RedisServer } from '../../infra/local/redis.ts';
import { join } from 'node:path';
import { listConnections } from '../../lib/sockets/connections.ts';
import { streams } from '../../lib/change-feed/streams.ts';
import { webSocketStage } from '../../infra/topology.ts';
import { eventually } from '../support/eventually.ts';
import {
  expectEqualAtRest,
  expectInOrder,
  keepChanging,
  watch,
  type Watching,
} from '../support/watching-clients.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';

vi.setConfig({ testTimeout: 600_000 });

let stack: TestStack;
let redis: RedisServer | undefined;
const watching: Watching[] = [];

beforeAll(async () => {
  stack = await startTestStack({
    settings: { ANSWER_BUDGET_MS: 'always', BROADCAST_LIFETIME_SECONDS: '3' },
  });
});
afterEach(() => {
  for (const { client } of watching.splice(0)) client.close();
});
afterAll(async () => {
  await stack.stop();
  await redis?.stop();
});

const clients = (count: number, pingMilliseconds?: number) => {
  for (let n = 0; n < count; n += 1) watching.push(watch(stack, pingMilliseconds));
  return eventually(
    () => {
      for (const { units, transfers } of watching) {
        expect(units.length).toBeGreaterThan(0);
        expect(transfers.length).toBeGreaterThan(0);
      }
    },
    { timeoutMs: patienceMs },
  );
};
/** Longer than any machine needs: the result never depends on speed. */
const patienceMs = 120_000;
/** Ends the lease, as time would, and runs the sweeper. */
const sweepAfterCrash = async () => {
  await stack.redisClient.del(stack.keys.broadcaster);
  await stack.runSchedule('sweep');
};
const fence = async () => Number((await stack.redisClient.get<string>(stack.keys.broadcasterFence)) ?? 0);

describe('live clients', () => {
  it('get every change once, in order and without a second snapshot while broadcasters hand over every 3 s', async () => {
    // a slow machine must not look like a dead connection
    await clients(6, 60_000);
    const before = await fence();
    const stop = new AbortController();
    const changing = keepChanging(stack, 'hand-over', stop.signal);
    await eventually(async () => expect(await fence()).toBeGreaterThanOrEqual(before + 3), {
      timeoutMs: patienceMs,
    });
    stop.abort();
    const { ids, inQueueAlone } = await changing;
    await expectEqualAtRest(stack, watching, ids);
    // a record reaches its final state before the last of its changes is sent
    await eventually(() => watching.forEach((each) => expectSentOnce(each, ids, inQueueAlone)), {
      timeoutMs: patienceMs,
    });
    const [first] = watching;
    for (const { units, transfers } of watching) {
      expectInOrder(units);
      expectInOrder(transfers);
      for (const events of [units, transfers]) {
        expect(events.filter(({ type }) => type === 'snapshot')).toHaveLength(1);
      }
      expect(units.map(({ position }) => position)).toEqual(first?.units.map(({ position }) => position));
    }
  });
});

/** Each acknowledged write is sent as committed, replicated and, unless Redis missed it, buffered. */
function expectSentOnce(
  { units }: Watching,
  ids: readonly string[],
  inQueueAlone: ReadonlySet<string>,
): void {
  const sent = units.flatMap((event) => (event.type === 'update' ? [`${event.record} ${event.change}`] : []));
  for (const id of ids) {
    const times = (change: string) => sent.filter((each) => each === `${id} ${change}`).length;
    expect([times('committed'), times('replicated')]).toEqual([2, 2]);
    if (!inQueueAlone.has(id)) expect(times('buffered')).toBe(2);
  }
}

describe('live clients after killed broadcasters, dropped sockets, a trimmed feed and a Redis restart,', () => {
  it('show the server’s state at rest, without a repeated change', async () => {
    await clients(6);
    const stop = new AbortController();
    const changing = keepChanging(stack, 'breaks', stop.signal);
    const disconnect = (id: string) =>
      fetch(`${stack.services}/${webSocketStage}/@connections/${encodeURIComponent(id)}`, {
        method: 'DELETE',
      });
    for (let round = 0; round < 6; round += 1) {
      for (const pid of stack.parts.lambdas.broadcast.pids()) process.kill(pid, 'SIGKILL');
      await sweepAfterCrash();
      const open = await listConnections(stack.site, Date.now());
      await Promise.all(open.filter((_id, n) => n % 3 === round % 3).map(disconnect));
      if (round === 2)
        await stack.redisClient.xtrim(stack.keys.feed(streams.observations.stream), {
          strategy: 'MAXLEN',
          threshold: 0,
        });
      if (round === 4) {
        const { port, stop: stopServer } = redis ?? stack.parts.redis;
        await stopServer();
        redis = await startRedis(join(stack.directory, 'redis'), port);
      }
      const before = watching[0]?.units.length ?? 0;
      await eventually(
        async () => {
          // the sweep of the next minute restarts a broadcaster that died with its process
          await stack.runSchedule('sweep');
          expect(watching[0]?.units.length ?? 0).toBeGreaterThan(before);
        },
        { timeoutMs: patienceMs, everyMs: 500 },
      );
    }
    stop.abort();
    const { ids } = await changing;
    await eventually(async () => {
      await sweepAfterCrash();
      await expectEqualAtRest(stack, watching, ids);
    });
    for (const { units, transfers } of watching) {
      expectInOrder(units);
      expectInOrder(transfers);
    }
  });
});
