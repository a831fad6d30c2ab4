/** The choice of the replica for a read, with fake replicas that have only a position. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { StatementTooSlow, ReplicaUnavailable } from '../../lib/replication/errors.ts';
import { writeLsn } from '../../lib/values/lsn.ts';
import { noFloor, readFromReplica, type Replica } from '../../lib/replication/replicas.ts';

class FakeReplica {
  readonly name: string;
  position = 100n;
  /** number of position queries */
  queries = 0;
  failure: Error | undefined;
  /** true until it has replayed the migration of this release */
  lacks = false;
  readonly pool: Replica['pool'];

  constructor(name: string) {
    this.name = name;
    const query = async () => {
      this.queries += 1;
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
const advance = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
const read = (replicas: readonly FakeReplica[]) =>
  readFromReplica(replicas, noFloor, async (database) => (database as unknown as { name: string }).name);

describe('readFromReplica', () => {
  it('reads from the nearest replica while it keeps up', async () => {
    for (const at of [100n, 200n, 300n]) {
      far.position = at;
      expect(await read(both)).toBe('near');
      near.position = at;
      await advance(1000);
    }
  });

  it('prefers the most advanced replica when the nearest has stopped replaying', async () => {
    expect(await read(both)).toBe('near');
    far.position = 500n;
    await advance(3000);
    await read(both);
    await advance(3000);
    expect(await read(both)).toBe('far');
    near.position = 600n;
    await advance(3000);
    expect(await read(both)).toBe('near');
  });

  it('skips a replica that hangs, and lets one read try it again after a pause', async () => {
    near.failure = hang;
    expect(await read([near]).catch((error: unknown) => error)).toBeInstanceOf(ReplicaUnavailable);
    const before = near.queries;
    for (let n = 0; n < 5; n += 1) await expect(read([near])).rejects.toThrow(ReplicaUnavailable);
    expect(near.queries).toBe(before);
    await advance(2500);
    const attempts = await Promise.allSettled([1, 2, 3].map(() => read([near])));
    expect(near.queries).toBe(before + 1);
    expect(attempts.map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
    near.failure = undefined;
    await advance(2500);
    expect(await read([near])).toBe('near');
    expect(await read([near])).toBe('near');
  });

  it('retries at once a replica that refused the connection', async () => {
    near.failure = Object.assign(new Error('connect ECONNREFUSED'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
    });
    await expect(read([near])).rejects.toThrow(ReplicaUnavailable);
    near.failure = undefined;
    expect(await read([near])).toBe('near');
  });

  it('skips a replica below the floor, and passes the position of the read', async () => {
    far.position = 500n;
    const asked = Promise.resolve({ floor: 400n });
    expect(await readFromReplica(both, asked, async (_, position) => position)).toBe(500n);
    const beyond = Promise.resolve({ floor: 900n });
    await expect(readFromReplica(both, beyond, async () => 1)).rejects.toThrow(ReplicaUnavailable);
  });

  it('skips a replica that lacks the tables of this release, and treats the same error elsewhere as a defect', async () => {
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

  it('rethrows a defect without trying another replica', async () => {
    const bug = new TypeError('a bug');
    await expect(readFromReplica(both, noFloor, () => Promise.reject(bug))).rejects.toBe(bug);
    const slow = Object.assign(new Error('canceling statement'), { code: '57014', severity: 'ERROR' });
    let reads = 0;
    const failingRead = () => {
      reads += 1;
      return Promise.reject(slow);
    };
    await expect(readFromReplica(both, noFloor, failingRead)).rejects.toThrow(StatementTooSlow);
    expect(reads).toBe(1);
    const noAnswer = new Error('Redis does not answer');
    await expect(readFromReplica(both, Promise.reject(noAnswer), failingRead)).rejects.toBe(noAnswer);
  });
});
