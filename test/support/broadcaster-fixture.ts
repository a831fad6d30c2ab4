/** A broadcaster that reads main as its replica, and connections that record what they receive. */
import { randomUUID } from 'node:crypto';
import { Broadcaster } from '../../functions/broadcast/broadcaster.ts';
import { restoreEntry } from '../../lib/buffer/restore.ts';
import { changeSubscription, register, type Since } from '../../lib/sockets/connections.ts';
import { createLog } from '../../lib/observability/log.ts';
import { connectPostgres, type Pool } from '../../lib/postgres/connect.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import type { Replica } from '../../lib/replication/replicas.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { eventually } from './eventually.ts';
import type { TestMain } from './test-main.ts';
import type { TestRedis } from './test-redis.ts';

export interface Sent {
  readonly type: string;
  readonly channel: string;
  readonly epoch: string;
  readonly position: string;
  readonly request?: number;
  readonly change?: string;
  readonly record?: string;
  readonly gap?: boolean;
  readonly unseen?: string;
  readonly data: unknown;
}

const unreachable = () => Object.assign(new Error('the replica is unreachable'), { code: 'ECONNREFUSED' });

/** A standby that answers from main, unless it is unreachable or a statement hangs. */
export class MainAsStandby implements Replica {
  readonly name = 'site';
  readonly pool: Pool;
  isUnreachable = false;
  /** names of statements that hang until `resume` */
  readonly hanging = new Set<RegExp>();
  readonly stop: () => Promise<void>;
  #waiting: (() => void)[] = [];

  constructor({ url }: TestMain) {
    const pool = connectPostgres({ url, applicationName: 'standby', maxConnections: 4 });
    this.stop = () => pool.end();
    const query = async (config: { name?: string; text: string }) => {
      if (this.isUnreachable) throw unreachable();
      if (config.name === 'replayed-lsn') return { rows: [{ lsn: 'FFFFFF/0' }] };
      if ([...this.hanging].some((each) => each.test(config.name ?? '')))
        await new Promise<void>((resume) => this.#waiting.push(resume));
      return pool.query(config);
    };
    const connect = async () => {
      if (this.isUnreachable) throw unreachable();
      return { query, release: () => undefined };
    };
    this.pool = { query, connect } as unknown as Pool;
  }

  get isHanging(): boolean {
    return this.#waiting.length > 0;
  }

  resume(): void {
    this.hanging.clear();
    for (const resume of this.#waiting.splice(0)) resume();
  }
}

export class BroadcasterFixture {
  readonly keys = keysOf(randomUUID());
  readonly standby: MainAsStandby;
  readonly #redis: TestRedis['client'];
  readonly #sent = new Map<string, Sent[]>();
  /** the text of every message */
  readonly texts: string[] = [];
  /** connections that the gateway has closed */
  readonly closed = new Set<string>();
  #broadcaster: Broadcaster | undefined;
  #fence = 0;
  /** offset of the broadcaster's clock, ms */
  ahead = 0;

  constructor(standby: MainAsStandby, redis: TestRedis) {
    this.standby = standby;
    this.#redis = redis.client;
  }

  get broadcaster(): Broadcaster {
    if (!this.#broadcaster) throw new Error('no broadcaster has begun');
    return this.#broadcaster;
  }

  /** Starts another broadcaster, which takes over. */
  async begin(): Promise<void> {
    this.#fence += 1;
    this.#broadcaster = new Broadcaster(
      {
        redis: this.#redis,
        keys: this.keys,
        replicas: [this.standby],
        replicasForLongReads: [this.standby],
        log: createLog('silent', {}, () => undefined),
        now: Date.now,
        wake: () => undefined,
        post: async (id, text) => {
          if (this.closed.has(id)) return 'gone';
          this.texts.push(text);
          this.of(id).push(JSON.parse(text) as Sent);
          return 'sent';
        },
        disconnect: async (id) => void this.closed.add(id),
        isOpen: async (id) => !this.closed.has(id),
      },
      this.#fence,
      'epoch',
    );
    await this.#broadcaster.begin();
  }

  /** The messages that a connection has received. */
  of(id: string): Sent[] {
    const known = this.#sent.get(id) ?? [];
    this.#sent.set(id, known);
    return known;
  }

  round(): Promise<void> {
    return this.broadcaster.round(Date.now() + this.ahead, true);
  }

  /** Runs rounds until `holds` stops throwing. */
  until(holds: () => unknown): Promise<void> {
    return eventually(
      async () => {
        await this.round();
        await holds();
      },
      { everyMs: 10 },
    );
  }

  async connect(id: string, channels: readonly string[], since?: Since): Promise<void> {
    const principal = {
      id: '1',
      name: 'Vera',
      role: 'viewer',
      permissions: ['read:observations', 'read:transfers'],
      credential: 'session',
    } as const;
    await register({ redis: this.#redis, keys: this.keys }, { id, principal, connectedAt: Date.now() }, 1000);
    for (const channel of channels) await this.subscribe(id, channel, since);
  }

  async subscribe(id: string, channel: string, since?: Since, request?: number): Promise<void> {
    const change = { channel, ...(since && { since }), ...(request !== undefined && { request }) };
    await changeSubscription({ redis: this.#redis, keys: this.keys }, id, change);
  }

  async unsubscribe(id: string, channel: string, request?: number): Promise<void> {
    const change = { channel, remove: true as const, ...(request !== undefined && { request }) };
    await changeSubscription({ redis: this.#redis, keys: this.keys }, id, change);
  }

  /** Buffers a start that main does not have. @returns its id */
  async buffer(obsUnitId: number, id: string = randomUUID()): Promise<string> {
    const start_time = '2026-11-25T05:00:00.000000Z';
    await this.#accept(id, (builder) =>
      builder.create('executed_obs_unit', { obs_unit_id: obsUnitId, status: 'running', start_time }, id),
    );
    return id;
  }

  /** Buffers an update of metadata that main does not have. */
  async annotate(id: string): Promise<void> {
    await this.#accept(id, (builder) =>
      builder.update('executed_obs_unit', id, { metadata: { seeing: 1.2 } }, {}),
    );
  }

  async #accept(aggregate: string, build: (builder: TransactionBuilder) => unknown): Promise<void> {
    const heading = {
      id: randomUUID(),
      stamp: Date.now() * 1000,
      aggregate,
      principal: '1',
      operation: 'test',
    };
    const builder = new TransactionBuilder(heading, randomUUID);
    build(builder);
    await restoreEntry({ redis: this.#redis, keys: this.keys }, builder.build(), Date.now());
  }
}
