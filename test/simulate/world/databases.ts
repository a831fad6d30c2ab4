/** Main and its replicas as the functions see them: each call one atomic step, each answer of a replica from what it has replayed. */
import type pg from 'pg';
import type { PostgresServer } from '../stores/postgres-server.ts';
import { slowMark } from '../plan/plan.ts';
import type { Scheduler } from '../engine/scheduler.ts';

export interface Query {
  readonly name?: string;
  readonly text?: string;
  readonly values?: readonly unknown[];
}

interface Answer {
  readonly rows: readonly unknown[];
  readonly rowCount: number | null;
}

export interface Connection {
  readonly query: (query: Query | string, values?: readonly unknown[]) => Promise<Answer>;
  readonly release: () => void;
}

/** Why main refuses every call. */
export type MainState = 'up' | 'away' | 'read-only' | 'not sound';
export type ReplicaState = 'up' | 'away' | 'hanging' | 'promoted';

/** Real connections, kept over all histories of a process. */
export interface Connections {
  readonly main: pg.Client;
  readonly snapshots: readonly pg.Client[];
}

export async function openConnections(server: PostgresServer): Promise<Connections> {
  const [main, ...snapshots] = await Promise.all(Array.from({ length: 4 }, () => server.connect()));
  if (!main) throw new Error('unreachable');
  return { main, snapshots };
}

/** Replays when it is told to: until then it shows main as it was, whole, at one moment. */
export class Replica {
  readonly name: string;
  state: ReplicaState = 'up';
  /** does not replay while it is set */
  isPaused = false;
  lsn = 0;
  #client: pg.Client;

  constructor(name: string, client: pg.Client) {
    this.name = name;
    this.#client = client;
  }

  async replay(lsn: number): Promise<void> {
    await this.#client.query('rollback; begin isolation level repeatable read read only');
    await this.#client.query('select from inbox limit 1');
    this.lsn = lsn;
  }

  async end(): Promise<void> {
    await this.#client.query('rollback');
  }

  /** Becomes what the other one is, which becomes what this one was. */
  swap(other: Replica): void {
    [this.#client, other.#client] = [other.#client, this.#client];
    [this.lsn, other.lsn] = [other.lsn, this.lsn];
  }

  query(query: Query): Promise<Answer> {
    return this.#client.query(query as pg.QueryConfig);
  }
}

export class Databases {
  readonly near: Replica;
  readonly far: Replica;
  /** an older state, to which a replica may be rebuilt */
  readonly old: Replica;
  main: MainState = 'up';
  /** SQLSTATE of the error by which main, not sound, answers */
  faultState = '42703';
  /** told of each batch that main is asked to apply */
  onBatch: (batch: string) => void = () => undefined;
  /** commits so far, as a log position */
  lsn = 0x1000;
  readonly #main: pg.Client;
  readonly #tables: readonly string[];
  readonly #scheduler: Scheduler;
  #readings = 0;

  constructor(connections: Connections, { tables }: PostgresServer, scheduler: Scheduler) {
    const [near, far, old] = connections.snapshots;
    if (!near || !far || !old) throw new Error('three connections are needed');
    this.#main = connections.main;
    this.#tables = tables.changed;
    this.#scheduler = scheduler;
    this.near = new Replica('near', near);
    this.far = new Replica('far', far);
    this.old = new Replica('old', old);
  }

  get replicas(): readonly Replica[] {
    return [this.near, this.far];
  }

  /** Empties what an earlier history has left. */
  async begin(people: string): Promise<void> {
    const gone = this.#tables.map((table) => `delete from ${table}`).join('; ');
    await this.#main.query(`begin; set local session_replication_role = replica; ${gone}; commit`);
    await this.#setClock();
    await this.#main.query(people);
    for (const each of [...this.replicas, this.old]) await each.replay(this.lsn);
  }

  async end(): Promise<void> {
    for (const each of [...this.replicas, this.old]) await each.end();
  }

  /** What the harness asks of main, or does there by hand as another program. */
  async ask<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const { rows } = await this.#scheduler.aside(() => this.#main.query(text, [...values]));
    return rows as Row[];
  }

  async byHand(text: string, values: readonly unknown[]): Promise<void> {
    await this.#setClock();
    await this.#main.query(text, [...values]);
    this.lsn += 0x10;
  }

  async replay(replica: Replica): Promise<void> {
    if (!replica.isPaused && replica.state !== 'promoted') await replica.replay(this.lsn);
  }

  /** Main becomes what this replica is: it has lost what came later. The others are made anew from it. */
  async failOver(heir: Replica): Promise<void> {
    const all: [string, string][] = [];
    for (const table of this.#tables) {
      const { rows } = await heir.query({
        text: `select coalesce(jsonb_agg(to_jsonb(t)), '[]')::text as all from ${table} t`,
      });
      all.push([table, (rows[0] as { all: string }).all]);
    }
    await this.#main.query('begin; set local session_replication_role = replica');
    for (const [table, rows] of all) {
      await this.#main.query(`delete from ${table}`);
      const { rows: columns } = await this.#main.query<{ list: string }>(
        `select string_agg(quote_ident(column_name), ', ') as list from information_schema.columns
         where table_schema = 'public' and table_name = $1 and is_generated = 'NEVER'`,
        [table],
      );
      const list = columns[0]?.list ?? '*';
      await this.#main.query(
        `insert into ${table} (${list}) overriding system value
         select ${list} from jsonb_populate_recordset(null::${table}, $1)`,
        [rows],
      );
    }
    await this.#main.query('commit');
    // a new timeline begins where the old one was left
    this.lsn += 0x10;
    for (const each of [...this.replicas, this.old]) await each.replay(this.lsn);
  }

  /** Everything is up, and the replicas follow main. */
  async recover(): Promise<void> {
    this.main = 'up';
    for (const each of this.replicas) {
      each.state = 'up';
      each.isPaused = false;
      await each.replay(this.lsn);
    }
  }

  connect(url: string): Connection {
    const name = url.slice(url.lastIndexOf('/') + 1);
    if (name === 'main') return this.#connectMain();
    const replica = this.replicas.find((each) => each.name === name);
    if (!replica) throw new Error(`no such server: ${url}`);
    return this.#connectReplica(replica);
  }

  #connectMain(): Connection {
    // what is asked at once is answered in turn
    let before: Promise<unknown> = Promise.resolve();
    return {
      release: () => undefined,
      query: async (asked, values) => {
        const query = queryOf(asked, values);
        const previous = before;
        const answer = this.#askMain(query, previous);
        before = answer.catch(() => undefined);
        return answer;
      },
    };
  }

  async #askMain(query: Query, previous: Promise<unknown>): Promise<Answer> {
    const { text = '' } = query;
    if (/^set statement_timeout/.test(text)) return none;
    await previous;
    if (/pg_current_wal_lsn/.test(text)) return { rows: [{ lsn: lsnText(this.lsn) }], rowCount: 1 };
    return this.#scheduler.call(
      'main',
      query.name ?? 'sql',
      async () => {
        if (this.main === 'away') throw connectionLost();
        if (this.main === 'read-only')
          throw serverError('25006', 'cannot execute in a read-only transaction');
        if (this.main === 'not sound') throw serverError(this.faultState, 'not as this release needs it');
        await this.#setClock();
        if (/apply_transactions/.test(text)) {
          const batch = String(query.values?.[0]);
          this.onBatch(batch);
          if (batch.includes(slowMark))
            throw serverError('57014', 'canceling statement due to statement timeout');
        }
        const answer: Answer = await this.#main.query(query as pg.QueryConfig);
        this.lsn += 0x10;
        return answer;
      },
      connectionLost,
    );
  }

  #connectReplica(replica: Replica): Connection {
    const ask = async (query: Query): Promise<Answer> =>
      this.#scheduler.call(
        'replica',
        `${replica.name} ${query.name ?? 'sql'}`,
        async () => {
          if (replica.state === 'away') throw connectionLost();
          if (replica.state === 'hanging') throw new Error('Query read timeout');
          if (/pg_last_wal_replay_lsn/.test(query.text ?? '')) {
            const isStandby = replica.state === 'up';
            const row = {
              lsn: isStandby ? lsnText(replica.lsn) : null,
              standby: isStandby,
              streaming: isStandby,
            };
            return { rows: [row], rowCount: 1 };
          }
          return replica.query(query);
        },
        connectionLost,
      );
    return { release: () => undefined, query: (asked, values) => ask(queryOf(asked, values)) };
  }

  /** Each call has a time of its own. */
  async #setClock(): Promise<void> {
    this.#readings += 1;
    await this.#main.query(
      `set sim.now = '${Math.floor(this.#scheduler.now) * 1000 + (this.#readings % 1000)}'`,
    );
  }
}

const none: Answer = { rows: [], rowCount: 0 };

function queryOf(asked: Query | string, values?: readonly unknown[]): Query {
  if (typeof asked === 'string') return values ? { text: asked, values } : { text: asked };
  return values ? { ...asked, values } : asked;
}

function lsnText(lsn: number): string {
  return `0/${lsn.toString(16).toUpperCase()}`;
}

function connectionLost(): Error {
  return new Error('Connection terminated unexpectedly');
}

function serverError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code, severity: 'ERROR' });
}
