/** Injects faults into the parts of a stack, and repairs them. */
import { truncate, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { createClient } from 'redis';
import { startMain, startReplica, type PostgresServer } from '../../../infra/local/postgres.ts';
import { startRedis, type RedisServer } from '../../../infra/local/redis.ts';
import type { FunctionName } from '../../../infra/topology.ts';
import type { TestStack } from '../../support/test-stack.ts';
import type { Fault, FaultKind } from './schedule.ts';

export interface StormParts {
  readonly stack: TestStack;
  /** resends copies of pending messages, late and in any order */
  readonly repeatMessages: (chance: number) => Promise<void>;
  /** sends a transaction that main cannot apply */
  readonly poison: (chance: number) => Promise<void>;
  readonly sendUnreadable: () => Promise<void>;
  /** changes rows at main as another program */
  readonly plainSql: (chance: number) => Promise<void>;
  /** kills the processors of the baselines */
  readonly killBaselines: () => void;
}

/** The resource of each fault, which one fault at a time may break. */
const resourceOf: Readonly<Partial<Record<FaultKind, string>>> = {
  killRedis: 'redis',
  rollBackRedis: 'redis',
  pauseRedis: 'redis',
  pauseSqs: 'sqs',
  killMain: 'main',
  killReplica: 'replica',
  hangReplica: 'replica',
  fillRedis: 'redis',
  mainReadOnly: 'main',
  cutLink: 'link',
  slowLink: 'link',
};

export class Faults {
  /** number of injections of each fault */
  readonly counts: Partial<Record<FaultKind, number>> = {};
  /** epoch ms of each roll-back of Redis */
  readonly rollBacks: number[] = [];
  readonly #parts: StormParts;
  readonly #busy = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #redis: RedisServer;
  #main: PostgresServer;
  #replica: PostgresServer;

  constructor(parts: StormParts) {
    this.#parts = parts;
    ({ redis: this.#redis, main: this.#main, replica: this.#replica } = parts.stack.parts);
  }

  /** Injects a fault, which is repaired after its time. */
  begin(fault: Fault): void {
    const resource = resourceOf[fault.kind];
    if (resource !== undefined && this.#busy.has(resource)) return;
    if (resource !== undefined) this.#busy.add(resource);
    this.counts[fault.kind] = (this.counts[fault.kind] ?? 0) + 1;
    const running = this.#carryOut(fault).finally(() => {
      if (resource !== undefined) this.#busy.delete(resource);
      this.#running.delete(running);
    });
    this.#running.add(running);
  }

  /** Waits until every fault is repaired. */
  async repaired(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.#parts.stack.link.set({ up: true, round_trip_ms: 10 });
  }

  /** Stops the servers, also restarted ones. */
  async stop(): Promise<void> {
    await Promise.all([this.#redis.stop(), this.#replica.stop()]);
    await this.#main.stop();
  }

  async #carryOut({ kind, lastsMilliseconds: lasts, chance }: Fault): Promise<void> {
    const { stack } = this.#parts;
    switch (kind) {
      case 'killAccept':
        return this.#kill('accept');
      case 'killApply':
        this.#parts.killBaselines();
        return this.#kill('apply');
      case 'killConfirm':
        return this.#kill('confirm');
      case 'killSweep':
        stack.runSchedule('sweep').catch(() => undefined);
        return this.#kill('sweep');
      case 'pauseApply':
        return pause(stack.parts.lambdas.apply.pids(), lasts);
      case 'pauseRedis':
        return pause([this.#redis.pid], lasts);
      case 'pauseSqs':
        return pause([stack.parts.sqs.pid], lasts);
      case 'cutLink':
        stack.link.set({ up: false });
        await delay(lasts);
        stack.link.set({ up: true });
        return;
      case 'slowLink':
        stack.link.set({ round_trip_ms: Math.round(500 * chance) });
        await delay(lasts);
        stack.link.set({ round_trip_ms: 10 });
        return;
      case 'repeatMessages':
        return this.#parts.repeatMessages(chance);
      case 'poison':
        return this.#parts.poison(chance);
      case 'unreadableMessages':
        return this.#parts.sendUnreadable();
      case 'plainSql':
        return this.#parts.plainSql(chance);
      case 'hangReplica':
        return pause([this.#replica.pid], lasts);
      case 'fillRedis':
        await this.#configureRedis('maxmemory', '1');
        await delay(lasts);
        return this.#configureRedis('maxmemory', '0');
      case 'mainReadOnly':
        await this.#setReadOnly(true);
        await delay(lasts);
        return this.#setReadOnly(false);
      case 'killRedis':
        signal([this.#redis.pid], 'SIGKILL');
        await delay(lasts);
        this.#redis = await retried(() => startRedis(join(stack.directory, 'redis'), this.#redis.port));
        return;
      case 'rollBackRedis':
        return this.#rollBackRedis(lasts);
      case 'killMain':
        signal([this.#main.pid], 'SIGKILL');
        await delay(lasts);
        this.#main = await retried(() => startMain({ ...this.#postgres(), port: this.#main.port }));
        return;
      case 'killReplica':
        signal([this.#replica.pid], 'SIGKILL');
        await delay(lasts);
        this.#replica = await retried(() =>
          startReplica({ ...this.#postgres(), port: this.#replica.port, mainPort: stack.link.port }),
        );
    }
  }

  async #configureRedis(name: string, value: string): Promise<void> {
    const client = createClient({ socket: { host: '127.0.0.1', port: this.#redis.port } });
    client.on('error', () => undefined);
    await client.connect();
    await client.sendCommand(['CONFIG', 'SET', name, value]);
    client.destroy();
  }

  /** Makes main read-only, as during a failover or with a full disk. */
  async #setReadOnly(isReadOnly: boolean): Promise<void> {
    const client = new pg.Client({ connectionString: this.#parts.stack.description.main });
    client.on('error', () => undefined);
    await client.connect();
    try {
      await client.query('set default_transaction_read_only = off');
      await client.query(`alter system set default_transaction_read_only = ${isReadOnly ? 'on' : 'off'}`);
      await client.query('select pg_reload_conf()');
    } finally {
      await client.end();
    }
  }

  #postgres() {
    return { directory: join(this.#parts.stack.directory, 'postgres'), durable: false };
  }

  async #kill(name: FunctionName): Promise<void> {
    signal(this.#parts.stack.parts.lambdas[name].pids(), 'SIGKILL');
  }

  /** Loses the last second of Redis, as a failover to a lagging replica does. */
  async #rollBackRedis(lasts: number): Promise<void> {
    const directory = join(this.#parts.stack.directory, 'redis');
    const files = (await readdir(join(directory, 'appendonlydir'))).filter((name) =>
      name.endsWith('.incr.aof'),
    );
    const path = join(directory, 'appendonlydir', files.sort().at(-1) ?? '');
    const { size } = await stat(path);
    await delay(1000);
    signal([this.#redis.pid], 'SIGKILL');
    await truncate(path, size);
    this.rollBacks.push(Date.now());
    await delay(lasts);
    this.#redis = await retried(() => startRedis(directory, this.#redis.port));
  }
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // it has exited already
    }
  }
}

async function pause(pids: readonly number[], milliseconds: number): Promise<void> {
  signal(pids, 'SIGSTOP');
  await delay(milliseconds);
  signal(pids, 'SIGCONT');
}

/** Retries a start: a killed server may hold its lock a moment longer. */
async function retried<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      if (tries === 10) throw error;
      await delay(300);
    }
  }
}
