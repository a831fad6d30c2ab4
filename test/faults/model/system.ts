/** The real scripts, processor and decisions, run step by step with the clock of the history. */
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { discardTransaction, retryTransaction } from '../../../functions/decide/decisions.ts';
import { drain } from '../../../functions/process/drain.ts';
import { execute, type Executed } from '../../../functions/process/execute.ts';
import { readMessage, storeMessages } from '../../../functions/process/unreadable.ts';
import { accept } from '../../../lib/buffer/accept.ts';
import { readBodies } from '../../../lib/buffer/bodies.ts';
import { claim } from '../../../lib/buffer/claim.ts';
import { readFailureHistory, writeFailureHistory } from '../../../lib/buffer/suspects.ts';
import { ProblemError } from '../../../lib/http/problem.ts';
import { createLog } from '../../../lib/observability/log.ts';
import type { Draft } from '../../../lib/observation/record-executed-obs-unit.ts';
import type { Pool } from '../../../lib/postgres/connect.ts';
import { connectRedis, type Redis } from '../../../lib/redis/client.ts';
import { isRedisUnavailable } from '../../../lib/redis/failure.ts';
import { keysOf, type Keys } from '../../../lib/redis/keys.ts';
import { confirm } from '../../../lib/replication/confirm.ts';
import type { Replica } from '../../../lib/replication/replicas.ts';
import { uuidV7 } from '../../../lib/transaction/ids.ts';
import type { Transaction } from '../../../lib/transaction/transaction.ts';
import type { TestRedis } from '../../support/test-redis.ts';
import type { Fault } from './history.ts';
import type { SnapshotReplica } from './snapshot-replica.ts';

export interface Stores {
  readonly redis: Pick<TestRedis, 'client' | 'command'>;
  readonly main: pg.Pool;
  readonly replicas: readonly [SnapshotReplica, SnapshotReplica];
  /** an older state to which a replica can be rebuilt */
  readonly old: SnapshotReplica;
}

const log = createLog('error', {}, () => undefined);
const admin = {
  ...{ id: '2', name: 'admin', role: 'admin' as const, permissions: ['manage:transactions' as const] },
  ...{ credential: 'session' as const, sessionId: 'session' },
};
/** For a processor that dies before it marks: nothing listens at this address. */
const unreachableRedis = connectRedis({ url: 'http://127.0.0.1:9', token: 'none', timeoutMilliseconds: 100 });

export class System {
  readonly redis: Redis;
  readonly keys: Keys;
  /** as an instance sees them before one has hung */
  replicas: readonly Replica[];
  clock = Date.UTC(2028, 0, 1);
  /** Redis refuses writes */
  isFull = false;
  readonly #stores: Stores;
  #main: Pool;

  constructor(stores: Stores, name: string) {
    this.#stores = stores;
    this.redis = stores.redis.client;
    this.keys = keysOf(name);
    this.replicas = this.#freshReplicas();
    this.#main = stores.main;
  }

  /** Marks the users as loaded. */
  async begin(): Promise<void> {
    await this.redis.set(this.keys.usersLoaded, '1');
  }

  newId(): string {
    return uuidV7(this.clock, randomBytes(10));
  }

  /** @returns the stamp of the write; undefined if it was refused or Redis was unavailable */
  async accept(draft: Draft): Promise<number | undefined> {
    try {
      const verdict = await accept(this, {
        claimant: { kind: 'none', principalId: '1' },
        permission: '',
        ...draft,
        nowMilliseconds: this.clock,
        requestsPerSecond: 1e9,
        budgetBytes: 1e12,
      });
      return 'accepted' in verdict && verdict.stamp !== undefined ? Number(verdict.stamp) : undefined;
    } catch (error) {
      if (isRedisUnavailable(error)) return undefined;
      throw error;
    }
  }

  /** @returns the state in the answer, or the code of the problem */
  async decide(
    action: 'retry' | 'discard',
    id: string,
  ): Promise<{ readonly state?: string; readonly problem?: string }> {
    const parts = {
      ...{ redis: this.redis, keys: this.keys, replicas: this.replicas, log, now: () => this.clock },
      queue: { send: async () => undefined },
      limits: { requestsPerSecond: 1e9, budgetBytes: 1e12 },
    };
    const call = {
      route: { operation: `${action}Transaction`, access: 'manage:transactions' as const },
      ...{ path: '/', given: { params: {}, query: {}, body: undefined }, cookies: [], requestId: '' },
      ...{ sourceIp: '', receivedAt: this.clock, replyHeaders: new Map<string, string>() },
      headers: { authorization: 'Bearer session', 'idempotency-key': this.newId() },
      ...{ params: { id }, query: undefined, principal: admin },
    };
    try {
      const { body } = await (action === 'retry'
        ? retryTransaction.run({ ...call, body: undefined }, parts)
        : discardTransaction.run({ ...call, body: { reason: 'a test' } }, parts));
      return body;
    } catch (error) {
      if (error instanceof ProblemError) return { problem: error.problem.code };
      throw error;
    }
  }

  /** Claims and executes. @returns undefined if nothing was claimed, it died before the commit, or Redis did not answer */
  async execute(count: number, dies: 'no' | 'before commit' | 'before mark'): Promise<Executed | undefined> {
    try {
      const request = { copies: [], limit: count, leaseMilliseconds: 0, always: true };
      const { oldest } = await claim(this, { ...request, nowMilliseconds: (this.clock += 1) });
      const { transactions } = await readBodies(this, oldest);
      if (transactions.length === 0 || dies === 'before commit') return undefined;
      const before = await readFailureHistory(this);
      const redis = dies === 'no' ? this.redis : unreachableRedis;
      const done = await execute({ ...this.#processor(), redis }, transactions, before, Infinity);
      if (dies === 'no') await writeFailureHistory(this, before, done.failureHistory).catch(() => undefined);
      return done;
    } catch (error) {
      if (isRedisUnavailable(error)) return undefined;
      throw error;
    }
  }

  async drain(copies: readonly Transaction[] = []): Promise<void> {
    this.clock += 1;
    await drain(this.#processor(), copies, { deadline: Infinity, end: Infinity, always: true });
  }

  async confirm(): Promise<void> {
    await confirm(this, this.clock).catch((error: unknown) => {
      if (!isRedisUnavailable(error)) throw error;
    });
  }

  /** @returns whether main has stored the message */
  async keepUnreadable(body: string): Promise<boolean> {
    const message = readMessage(body);
    if (message.kind !== 'unreadable') throw new Error(`the message is readable: ${body}`);
    return storeMessages(this.#processor(), [message]);
  }

  /** Runs `act` during a fault. */
  async under(fault: Fault, act: () => Promise<void>): Promise<void> {
    const [near, far] = this.#stores.replicas;
    const hanging = fault === 'near hangs' ? near : far;
    const fill = async (isFull: boolean) => {
      this.isFull = isFull;
      await this.#stores.redis.command('CONFIG', 'SET', 'maxmemory', isFull ? '1' : '0');
    };
    if (fault === 'redis is full') await fill(true);
    else if (fault === 'main is read-only') this.#main = readOnly(this.#stores.main);
    else hanging.hangs = true;
    try {
      await act();
    } finally {
      if (fault === 'redis is full') await fill(false);
      this.#main = this.#stores.main;
      hanging.hangs = false;
      this.replicas = this.#freshReplicas();
    }
  }

  /** New objects, since an instance remembers for a while that a replica has hung. */
  #freshReplicas(): Replica[] {
    return this.#stores.replicas.map(({ name, pool }) => ({ name, pool }));
  }

  #processor() {
    const { redis, keys } = this;
    return { redis, keys, main: this.#main, startWaitSeconds: 900, now: () => this.clock, log };
  }
}

/** Main as it is during a failover. */
function readOnly(main: pg.Pool): Pool {
  const connect = async () => {
    const client = await main.connect();
    await client.query('set default_transaction_read_only = on');
    const release = client.release.bind(client);
    client.release = () => release(true);
    return client;
  };
  const query = async (config: pg.QueryConfig) => {
    const client = await connect();
    return client.query(config).finally(() => client.release());
  };
  return { connect, query } as unknown as Pool;
}
