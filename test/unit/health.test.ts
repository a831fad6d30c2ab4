/** Health with stores that answer, hang or are unreachable. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { health, type HealthParts } from '../../functions/health/health.ts';
import { keysOf } from '../../lib/redis/keys.ts';

const now = Date.UTC(2026, 10, 25);
const hangs = () => new Promise<never>(() => undefined);

interface Stores {
  readonly redis?: () => Promise<unknown>;
  readonly replica?: () => Promise<unknown>;
  readonly queue?: () => Promise<void>;
}

/** The buffer statistics of Redis. @param ageSeconds age of the oldest pending transaction */
const stats = ({ ageSeconds = 1, isDown = 0, noProgress = 0 } = {}) => {
  const stamp = String((now - ageSeconds * 1000) * 1000);
  return [1, 0, 0, '800', isDown, [`${stamp}:a:b`], [], null, [], Array(6).fill(null), noProgress];
};

function ask({
  redis = async () => stats(),
  replica = async () => ({ rows: [{ n: 3 }] }),
  queue = async () => undefined,
}: Stores) {
  const pipeline: object = new Proxy({}, { get: (_, name) => (name === 'exec' ? redis : () => pipeline) });
  const parts = {
    redis: { pipeline: () => pipeline, get: redis, hgetall: redis },
    keys: keysOf('test'),
    replicas: [{ name: 'site', pool: { query: replica } }],
    queue: { warmUp: queue },
  } as unknown as HealthParts;
  const answer = health(parts, now).then(
    ({ status, body }) => ({ status, body }),
    ({ problem }: { problem: { status: number } }) => ({ status: problem.status, body: problem }),
  );
  return vi.advanceTimersByTimeAsync(950).then(() => Promise.race([answer, Promise.resolve('too late')]));
}

beforeEach(() => {
  vi.useFakeTimers();
});

describe('health', () => {
  it('is healthy while every store answers and transactions progress', async () => {
    expect(await ask({})).toMatchObject({
      status: 200,
      body: { status: 'healthy', transaction_buffer: { size: 1, failed: 3, is_stuck: false } },
    });
  });

  it.each([
    ['main is unreachable', { redis: async () => stats({ isDown: 1 }) }, { main: 'unreachable' }],
    [
      'the oldest transaction has waited for minutes',
      { redis: async () => stats({ ageSeconds: 120 }) },
      { main: 'connected' },
    ],
    ['no transaction reaches main', { redis: async () => stats({ noProgress: 1 }) }, { main: 'connected' }],
    ['the replica hangs', { replica: hangs }, { database: 'unreachable' }],
    ['Redis hangs', { redis: hangs }, { redis: 'unreachable' }],
    ['Redis and the replica hang', { redis: hangs, replica: hangs }, { database: 'unreachable' }],
  ])('is degraded, within a second, when %s', async (_, stores, body) => {
    expect(await ask(stores)).toMatchObject({ status: 200, body: { status: 'degraded', ...body } });
  });

  it('answers 503 when no write could be accepted', async () => {
    expect(await ask({ redis: hangs, queue: hangs })).toMatchObject({ status: 503 });
  });

  it('reports the replica as connected when counting failed transactions takes too long', async () => {
    let asked = 0;
    const replica = () => ((asked += 1) === 1 ? Promise.resolve({ rows: [] }) : hangs());
    expect(await ask({ replica })).toMatchObject({
      body: { database: 'connected', transaction_buffer: { failed: null } },
    });
  });
});
