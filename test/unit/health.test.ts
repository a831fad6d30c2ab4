/** Health over stores that answer, hang or are away. */
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

/** What Redis says of the buffer; the oldest is so old. */
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
  it('is healthy while everything answers and moves', async () => {
    expect(await ask({})).toMatchObject({
      status: 200,
      body: { status: 'healthy', transaction_buffer: { size: 1, failed: 3, is_stuck: false } },
    });
  });

  it.each([
    ['main is away', { redis: async () => stats({ isDown: 1 }) }, { main: 'unreachable' }],
    [
      'the oldest waits for minutes',
      { redis: async () => stats({ ageSeconds: 120 }) },
      { main: 'connected' },
    ],
    ['nothing gets to main', { redis: async () => stats({ noProgress: 1 }) }, { main: 'connected' }],
    ['the replica hangs', { replica: hangs }, { database: 'unreachable' }],
    ['Redis hangs', { redis: hangs }, { redis: 'unreachable' }],
    ['Redis and the replica hang', { redis: hangs, replica: hangs }, { database: 'unreachable' }],
  ])('is degraded, within a second, when %s', async (_, stores, body) => {
    expect(await ask(stores)).toMatchObject({ status: 200, body: { status: 'degraded', ...body } });
  });

  it('is not a success when no write could be accepted', async () => {
    expect(await ask({ redis: hangs, queue: hangs })).toMatchObject({ status: 503 });
  });

  it('knows that a replica is there, though its failed ones take too long to count', async () => {
    let asked = 0;
    const replica = () => ((asked += 1) === 1 ? Promise.resolve({ rows: [] }) : hangs());
    expect(await ask({ replica })).toMatchObject({
      body: { database: 'connected', transaction_buffer: { failed: null } },
    });
  });
});
