/** Which replica answers a read, over replicas that are only a position. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { StatementTooSlow, ReplicaUnavailable } from '../../lib/replication/errors.ts';
import { writeLsn } from '../../lib/values/lsn.ts';
import { noFloor, readFromReplica, type Replica } from '../../lib/replication/replicas.ts';

class FakeReplica {
  readonly name: string;
  position = 100n;
  /** how often its position was asked */
  asked = 0;
  failure: Error | undefined;
  /** whether it has not replayed the migration of this release */
  lacks = false;
  readonly pool: Replica['pool'];

  constructor(name: string) {
    this.name = name;
    const query = async () => {
      this.asked += 1;
      if (this.failure) throw this.failure;
      return { rows: [{ lsn: writeLsn(this.position), lacks: this.lacks }] };
    };
    const connect = async () => ({ query, release: () => undefined, name });
    this.pool = { query, connect } as unknown as Replica['pool'];
  }
}

const hang = new Error('Query read timeout');
let near: FakeReplica;
let far: FakeReplica;
let both: readonly FakeReplica[];

beforeEach(() => {
  vi.useFakeTimers();
  [near, far] = [new FakeReplica('near'), new FakeReplica('far')];
  both = [near, far];
});
const passes = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
const reader = (replicas: readonly FakeReplica[]) =>
  readFromReplica(replicas, noFloor, async (database) => (database as unknown as { name: string }).name);

describe('readFromReplica', () => {
  it('reads from the nearest while it keeps up', async () => {
    for (const at of [100n, 200n, 300n]) {
      far.position = at;
      expect(await reader(both)).toBe('near');
      near.position = at;
      await passes(1000);
    }
  });

  it('prefers the most advanced when the nearest stands still', async () => {
    expect(await reader(both)).toBe('near');
    far.position = 500n;
    await passes(3000);
    await reader(both);
    await passes(3000);
    expect(await reader(both)).toBe('far');
    near.position = 600n;
    await passes(3000);
    expect(await reader(both)).toBe('near');
  });

  it('leaves a replica out that hangs, and lets one read ask it again after a moment', async () => {
    near.failure = hang;
    expect(await reader([near]).catch((error: unknown) => error)).toBeInstanceOf(ReplicaUnavailable);
    const before = near.asked;
    for (let n = 0; n < 5; n += 1) await expect(reader([near])).rejects.toThrow(ReplicaUnavailable);
    expect(near.asked).toBe(before);
    await passes(2500);
    const attempts = await Promise.allSettled([1, 2, 3].map(() => reader([near])));
    expect(near.asked).toBe(before + 1);
    expect(attempts.map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
    near.failure = undefined;
    await passes(2500);
    expect(await reader([near])).toBe('near');
    expect(await reader([near])).toBe('near');
  });

  it('asks a replica again at once that has refused the connection', async () => {
    near.failure = Object.assign(new Error('connect ECONNREFUSED'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
    });
    await expect(reader([near])).rejects.toThrow(ReplicaUnavailable);
    near.failure = undefined;
    expect(await reader([near])).toBe('near');
  });

  it('passes over one that has not replayed the floor, and tells the position that the read has', async () => {
    far.position = 500n;
    const asked = Promise.resolve({ floor: 400n });
    expect(await readFromReplica(both, asked, async (_, position) => position)).toBe(500n);
    const beyond = Promise.resolve({ floor: 900n });
    await expect(readFromReplica(both, beyond, async () => 1)).rejects.toThrow(ReplicaUnavailable);
  });

  it('passes over one that lacks the tables of this release, and takes the same error of another for a defect', async () => {
    const unknownTable = Object.assign(new Error('relation "x" does not exist'), {
      code: '42P01',
      severity: 'ERROR',
    });
    const read = async (database: unknown) => {
      const { name } = database as { name: string };
      if (name === 'near') throw unknownTable;
      return name;
    };
    near.lacks = true;
    expect(await readFromReplica(both, noFloor, read)).toBe('far');
    await expect(readFromReplica([near], noFloor, read)).rejects.toThrow(ReplicaUnavailable);
    near.lacks = false;
    await expect(readFromReplica(both, noFloor, read)).rejects.toBe(unknownTable);
  });

  it('hands a defect on, and asks nobody else', async () => {
    const bug = new TypeError('a bug');
    await expect(readFromReplica(both, noFloor, () => Promise.reject(bug))).rejects.toBe(bug);
    const slow = Object.assign(new Error('canceling statement'), { code: '57014', severity: 'ERROR' });
    let reads = 0;
    const read = () => {
      reads += 1;
      return Promise.reject(slow);
    };
    await expect(readFromReplica(both, noFloor, read)).rejects.toThrow(StatementTooSlow);
    expect(reads).toBe(1);
    const silent = new Error('Redis is silent');
    await expect(readFromReplica(both, Promise.reject(silent), read)).rejects.toBe(silent);
  });
});
