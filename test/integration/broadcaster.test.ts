/** A broadcaster: changes by others, replicas out of reach, and slow work that must not delay other messages. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BroadcasterFixture, MainAsStandby, type Sent } from '../support/broadcaster-fixture.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';

let main: TestMain;
let redis: TestRedis;
let standby: MainAsStandby;
let fixture: BroadcasterFixture;
const units = 'executed_obs_units';
const ofUnit = (id: number) => `${units}?obs_unit_id=${id}`;

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
  standby = new MainAsStandby(main);
});
afterAll(async () => {
  await standby.stop();
  await Promise.all([main.stop(), redis.stop()]);
});
beforeEach(async () => {
  standby.isUnreachable = false;
  fixture = new BroadcasterFixture(standby, redis);
  await fixture.begin();
});

/** Inserts rows at main by plain SQL. @returns their ids */
async function insert(obsUnitId: number, count = 1, status = 'running'): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await main.pool.query(
    `insert into executed_obs_unit (id, obs_unit_id, status, start_time)
      select id, $2, $3, now() from unnest($1::uuid[]) id`,
    [ids, obsUnitId, status],
  );
  return ids;
}
const updates = (id: string) => fixture.of(id).filter(({ type }) => type === 'update');
const snapshots = (id: string) => fixture.of(id).filter(({ type }) => type === 'snapshot');
const last = (id: string): Sent | undefined => fixture.of(id).at(-1);

/** Connects one client per channel and awaits its snapshot. */
async function watch(channels: Readonly<Record<string, string>>): Promise<void> {
  for (const [id, channel] of Object.entries(channels)) await fixture.connect(id, [channel]);
  await fixture.until(() => {
    for (const id of Object.keys(channels)) expect(snapshots(id)).toHaveLength(1);
  });
}

describe('a record that leaves its planned unit', () => {
  it('is sent as `left` on the channel of the old planned unit and as changed on the new one', async () => {
    const [moved = ''] = await insert(50);
    await watch({ all: units, old: ofUnit(50), new: ofUnit(51), other: ofUnit(52) });
    await main.pool.query('update executed_obs_unit set obs_unit_id = 51 where id = $1', [moved]);
    const shown = { change: 'changed', record: moved, data: { id: moved, obs_unit_id: 51 } };
    await fixture.until(() => {
      expect(updates('old')).toMatchObject([{ change: 'left', record: moved, data: null }]);
      expect(updates('new')).toMatchObject([shown]);
      expect(updates('all')).toMatchObject([shown]);
    });
    expect(updates('other')).toEqual([]);
  });

  it('is sent on the channel of its new planned unit even if the site still knows the old one', async () => {
    const [moved = ''] = await insert(53);
    await main.pool.query('update executed_obs_unit set obs_unit_id = 54 where id = $1', [moved]);
    await watch({ old: ofUnit(53), new: ofUnit(54) });
    const feed = fixture.keys.feed(units);
    await redis.client.xadd(feed, '*', { change: 'replicated', record: moved, obs_unit_id: '53' });
    await fixture.until(() => {
      expect(updates('new')).toMatchObject([{ change: 'replicated', data: { id: moved } }]);
      expect(updates('old')).toMatchObject([{ change: 'left', record: moved, data: null }]);
    });
  });

  it('by deletion is sent as `left` on its own channel only', async () => {
    const [deleted = ''] = await insert(55);
    await watch({ all: units, its: ofUnit(55), other: ofUnit(56) });
    await main.pool.query('delete from executed_obs_unit where id = $1', [deleted]);
    await fixture.until(() => {
      expect(updates('all')).toMatchObject([{ change: 'changed', record: deleted, data: null }]);
      expect(updates('its')).toMatchObject([{ change: 'left', record: deleted, data: null }]);
    });
    expect(updates('other')).toEqual([]);
  });

  it('by TRUNCATE causes a new snapshot with a gap', async () => {
    await insert(57);
    await watch({ all: units, its: ofUnit(57), transfer: 'transfer.overview' });
    const [{ epoch = '', position = '' } = {}] = snapshots('its');
    await main.pool.query('truncate executed_obs_unit cascade');
    await fixture.until(() => {
      for (const id of ['all', 'its'])
        expect(last(id)).toMatchObject({ type: 'snapshot', gap: true, data: [] });
    });
    // also for a client that resumes from before
    await fixture.connect('back', [ofUnit(57)], { epoch, position });
    await fixture.until(() => expect(last('back')).toMatchObject({ type: 'snapshot', gap: true, data: [] }));
    expect(updates('all')).toEqual([]);
  });
});

describe('an open transaction at main', () => {
  it('delays no change of other transactions', async () => {
    await watch({ all: units });
    const slow = await main.pool.connect();
    await slow.query('begin');
    await slow.query("update data_transfer set status = 'failed' where id = 1");
    try {
      const [id] = await insert(58);
      await fixture.until(() => expect(updates('all')).toMatchObject([{ record: id }]));
    } finally {
      await slow.query('rollback');
      slow.release();
    }
  });
});

describe('slow work', () => {
  it('on a bulk change by others delays accepted transactions by one slice at most', async () => {
    await watch({ all: units });
    await insert(59, 3000);
    await fixture.until(() => expect(updates('all').length).toBeGreaterThan(0));
    const before = updates('all').length;
    const id = await fixture.buffer(60);
    await fixture.until(() => expect(updates('all').some(({ record }) => record === id)).toBe(true));
    const index = updates('all').findIndex(({ record }) => record === id);
    expect(index - before).toBeLessThanOrEqual(400);
    await fixture.until(() => expect(updates('all')).toHaveLength(3001));
    expect(new Set(updates('all').map(({ record }) => record)).size).toBe(3001);
  });

  it('on a state delays no other channel and no snapshot', async () => {
    await watch({ all: units, transfer: 'transfer.overview' });
    fixture.standby.hanging.add(/^(state-counts|count-packages)/);
    await main.pool.query("update data_transfer set status = 'completed' where id = 2");
    await fixture.until(() => expect(standby.isHanging).toBe(true));
    const id = await fixture.buffer(61);
    await fixture.connect('late', [ofUnit(61)]);
    await fixture.until(() => {
      expect(last('all')).toMatchObject({ record: id });
      expect(snapshots('late')).toMatchObject([{ data: [{ id }] }]);
    });
    expect(updates('transfer')).toEqual([]);
    fixture.standby.resume();
    await fixture.until(() => expect(updates('transfer')).toHaveLength(1));
  });

  it('on a snapshot delays no message, and changes made meanwhile follow the snapshot', async () => {
    await watch({ all: units });
    fixture.standby.hanging.add(/^list-unit/);
    await fixture.connect('late', [ofUnit(62)]);
    await fixture.until(() => expect(standby.isHanging).toBe(true));
    const id = await fixture.buffer(62);
    await fixture.until(() => expect(last('all')).toMatchObject({ record: id }));
    expect(fixture.of('late')).toEqual([]);
    fixture.standby.resume();
    await fixture.until(() => expect(fixture.of('late').map(({ type }) => type)).toContain('update'));
    expect(fixture.of('late').map(({ type }) => type)).toEqual(['snapshot', 'update']);
  });
});

describe('while no replica is reachable,', () => {
  it.each([
    ['a replica answers', false],
    ['another broadcaster has taken over and a replica answers', true],
  ])('no record is sent as absent or stale, and every change is sent once %s', async (_when, isTakenOver) => {
    const [known, finished, isNew] = [randomUUID(), randomUUID(), randomUUID()];
    const [later = ''] = await insert(63);
    await watch({ all: units });
    const [{ epoch = '', position = '' } = {}] = snapshots('all');
    // the site still has the start of a record whose transactions were all cleaned
    const base = JSON.stringify({
      id: finished,
      obs_unit_id: 63,
      status: 'running',
      start_time: '2026-11-25T05:00:00.000000Z',
    });
    await redis.client.hset(fixture.keys.record(finished), { base });
    await main.pool.query(
      `insert into executed_obs_unit (id, obs_unit_id, status, start_time, end_time)
        values ($1, 63, 'running', now(), null), ($2, 63, 'completed', now(), now())`,
      [known, finished],
    );
    await fixture.until(() => expect(updates('all')).toHaveLength(2));
    fixture.of('all').splice(0);

    fixture.standby.isUnreachable = true;
    await fixture.buffer(63, isNew);
    // a buffered update does not show the record's current status
    await fixture.annotate(finished);
    const feed = fixture.keys.feed(units);
    for (const record of [known, finished])
      await redis.client.xadd(feed, '*', { change: 'replicated', record });
    await fixture.connect('back', [units], { epoch, position });
    await fixture.until(() => {
      for (const id of ['all', 'back'])
        expect(updates(id)).toMatchObject([{ record: isNew, change: 'buffered' }]);
    });
    // no new subscription covers this change
    await redis.client.xadd(feed, '*', { change: 'replicated', record: later });
    await fixture.round();
    if (isTakenOver) {
      await fixture.begin();
      await fixture.round();
    }
    fixture.standby.isUnreachable = false;
    fixture.ahead += 2000;
    await fixture.until(() => {
      for (const id of ['all', 'back']) {
        const shown = updates(id).map(({ record, data }) => [
          record,
          (data as { status: string } | null)?.status,
        ]);
        expect(shown).toContainEqual([known, 'running']);
        expect(shown).toContainEqual([later, 'running']);
        expect(shown).toContainEqual([finished, 'completed']);
        expect(shown).not.toContainEqual([finished, 'running']);
        expect(shown.map(([, status]) => status)).not.toContain(undefined);
      }
    });
    const positions = updates('all').map((each) => each.position);
    expect(new Set(positions).size).toBe(positions.length);
  });

  it('a snapshot names what it could not read, and is repeated later', async () => {
    const [there = ''] = await insert(64);
    const buffered = await fixture.buffer(64);
    fixture.standby.isUnreachable = true;
    await fixture.connect('late', [ofUnit(64)]);
    await fixture.until(() =>
      expect(snapshots('late')).toMatchObject([{ unseen: 'replica', data: [{ id: buffered }] }]),
    );
    fixture.standby.isUnreachable = false;
    fixture.ahead += 2000;
    await fixture.until(() => expect(snapshots('late')).toHaveLength(2));
    const again = last('late');
    expect(again).toMatchObject({ gap: true });
    expect(again?.unseen).toBeUndefined();
    expect((again?.data as { id: string }[]).map(({ id }) => id).sort()).toEqual([there, buffered].sort());
  });

  it('an empty snapshot names what it could not read, and buffered changes follow', async () => {
    fixture.standby.isUnreachable = true;
    await fixture.connect('late', [ofUnit(67)]);
    await fixture.until(() => expect(snapshots('late')).toMatchObject([{ unseen: 'replica', data: [] }]));
    const id = await fixture.buffer(67);
    await fixture.until(() => expect(updates('late')).toMatchObject([{ record: id }]));
  });

  it('state channels wait without delaying other channels', async () => {
    fixture.standby.isUnreachable = true;
    await fixture.connect('transfer', ['transfer.overview']);
    await fixture.round();
    const id = await fixture.buffer(65);
    await fixture.connect('units', [ofUnit(65)]);
    await fixture.until(() => expect(snapshots('units')).toMatchObject([{ data: [{ id }] }]));
    expect(fixture.of('transfer')).toEqual([]);
  });
});

describe('a state channel', () => {
  it('resumed from a dead broadcaster gets later changes', async () => {
    await watch({ first: 'transfer.overview' });
    const [{ epoch = '', position = '' } = {}] = snapshots('first');
    await fixture.begin();
    await fixture.connect('back', ['transfer.overview'], { epoch, position });
    await fixture.until(() => expect(fixture.of('back')).toMatchObject([{ type: 'resumed' }]));
    await main.pool.query("update data_transfer set status = 'failed' where id = 3");
    await fixture.until(() => expect(updates('back')).toHaveLength(1));
    expect(updates('back')[0]?.position).not.toBe(position);
  });
});

describe('answers', () => {
  it('carry the id of their request, and older requests have no effect', async () => {
    await fixture.connect('c', []);
    await fixture.subscribe('c', units, undefined, 7);
    await fixture.until(() => expect(snapshots('c')).toMatchObject([{ request: 7 }]));
    await fixture.subscribe('c', units, undefined, 9);
    await fixture.subscribe('c', units, undefined, 8);
    await fixture.unsubscribe('c', units, 7);
    await fixture.until(() => expect(snapshots('c').map(({ request }) => request)).toEqual([7, 9]));
    const id = await fixture.buffer(66);
    await fixture.until(() => expect(updates('c')).toMatchObject([{ request: 9, record: id }]));
    await fixture.unsubscribe('c', units, 9);
    await fixture.until(() => expect(fixture.broadcaster.watchers).toBe(0));
  });
});

it('snapshots and updates keep the digits of numbers that a double cannot hold', async () => {
  const [id] = await insert(68);
  const digits = '{"id": 5853498713190525696, "x": 0.1234567890123456789}';
  const write = () =>
    main.pool.query('update executed_obs_unit set metadata = $2::jsonb where id = $1', [id, digits]);
  await write();
  await watch({ its: ofUnit(68) });
  await write();
  await fixture.until(() => expect(updates('its')).toHaveLength(1));
  for (const type of ['snapshot', 'update']) {
    const text = fixture.texts.find((each) => each.includes(`"${type}"`) && each.includes(String(id)));
    expect(text).toContain('"metadata":{"x":0.1234567890123456789,"id":5853498713190525696}');
  }
});

describe('a broadcaster', () => {
  it('counts no watchers while connections have no subscriptions', async () => {
    await fixture.connect('idle', []);
    await fixture.round();
    expect(fixture.broadcaster.watchers).toBe(0);
  });

  it('detects a connection whose end was not reported', async () => {
    await watch({ lost: units });
    fixture.closed.add('lost');
    fixture.ahead += 120_000;
    await fixture.until(() => expect(fixture.broadcaster.watchers).toBe(0));
  });

  it('polls often for changes by others only while a client watches them', async () => {
    await watch({ buffer: 'buffer' });
    expect(fixture.broadcaster.pauseMilliseconds).toBe(1000);
    await watch({ units });
    expect(fixture.broadcaster.pauseMilliseconds).toBeLessThanOrEqual(100);
  });
});
