/** Reads, as clients do, and holds what is shown against what was acknowledged. */
import { isAcknowledged, type Ledger, type Write } from './checks/ledger.ts';
import { checkPages, type Page } from './checks/pages.ts';
import { checkRecord, sameInstant, sorted, type Shown } from './checks/records.ts';
import { must } from './checks/violation.ts';
import type { Scheduler } from './engine/scheduler.ts';
import type { HttpAnswer, HttpRequest } from './functions.ts';
import type { Databases } from './world/databases.ts';
import type { Queues } from './world/queues.ts';

interface Parts {
  readonly scheduler: Scheduler;
  readonly databases: Databases;
  readonly queues: Queues;
  readonly ledger: Ledger;
}

type Ask = (request: HttpRequest, id: string) => Promise<HttpAnswer>;

interface MainRow {
  readonly id: string;
  readonly obs_unit_id: number;
  readonly status: string;
  readonly start_time: string;
  readonly end_time: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
}

const mostPages = 40;

export class Looker {
  readonly #parts: Parts;
  readonly #ask: Ask;

  constructor(parts: Parts, ask: Ask) {
    this.#parts = parts;
    this.#ask = ask;
  }

  async read(unit: string, by: string): Promise<Shown | undefined> {
    const { scheduler, ledger } = this.#parts;
    const from = scheduler.now;
    const answer = await this.#get('/executed_obs_units/{id}', { params: { id: unit } }, by);
    if (answer.status >= 500) return undefined;
    const shown = answer.status === 200 ? (answer.body as Shown) : undefined;
    if (answer.headers.unseen === undefined) checkRecord(ledger, unit, shown, { from, to: scheduler.now });
    return shown;
  }

  /** Every page of a list. */
  async walk(query: string, limit: number, by: string): Promise<readonly Shown[] | undefined> {
    const { scheduler, ledger } = this.#parts;
    const from = scheduler.now;
    const pages: Page[] = [];
    let next = `${query === '' ? '' : `${query}&`}limit=${limit}`;
    for (let n = 0; ; n += 1) {
      must(n < mostPages, 'pages', () => `${by}: the list ?${query} does not end`);
      const asked = scheduler.now;
      const answer = await this.#get('/executed_obs_units', { query: next.replaceAll('+', '%2B') }, by);
      if (answer.status >= 500) return undefined;
      must(answer.status === 200, 'list', () => `${by}: ?${next} → ${answer.status}`);
      pages.push({
        records: answer.body as Shown[],
        isWhole: answer.headers.unseen === undefined,
        span: { from: asked, to: scheduler.now },
      });
      const [, link] = /<[^?>]*\?([^>]*)>; rel="next"/.exec(answer.headers.link ?? '') ?? [];
      if (link === undefined) break;
      next = link;
    }
    checkPages(ledger, query, pages, { from, to: scheduler.now });
    return pages.flatMap(({ records }) => records);
  }

  async status(write: Write | undefined, by: string): Promise<void> {
    if (write?.transaction === undefined) return;
    const { ledger } = this.#parts;
    const { transaction } = write;
    const isKnown = isAcknowledged(write) && ledger.hasKeptAll && !ledger.loose.has(write.unit);
    const answer = await this.#get('/api/transactions/{id}', { params: { id: transaction } }, by);
    if (answer.status >= 500 || !isKnown || ledger.loose.has(write.unit)) return;
    must(answer.status === 200, 'transaction unknown', () => `${by}: ${transaction} → ${answer.status}`);
    const { state } = answer.body as { readonly state: string };
    must(
      state !== 'failed' && state !== 'discarded',
      'transaction failed',
      () => `${by}: ${transaction} is ${state}`,
    );
  }

  /** Nothing else happens: what main has recorded, or the site has acknowledged, is shown. */
  async look(): Promise<void> {
    const { ledger, databases, queues, scheduler } = this.#parts;
    const inbox = await databases.ask<{ id: string }>(
      "select transaction_id::text as id from inbox where outcome = 'applied'",
    );
    const applied = new Set(inbox.map(({ id }) => id));
    const copies = queues.all('transactions').map(({ body }) => body);
    for (const unit of ledger.units.filter((each) => !each.startsWith('unnamed'))) {
      const shown = await this.read(unit, 'look');
      const answered = this.#last;
      if (shown || answered?.status !== 404 || ledger.byHand.has(unit)) continue;
      const start = ledger.of(unit).find((write) => write.does === 'start' && isAcknowledged(write));
      const id = start?.transaction;
      if (id === undefined || ledger.mayBeLost(start as Write) || start?.mayFail) continue;
      const isWaiting = copies.some((body) => body.includes(id));
      must(
        isWaiting || !applied.has(id),
        'vanished',
        () => `${unit} is at main, no copy is left to bring it back, and it is not shown (${scheduler.now})`,
      );
    }
  }

  /** At rest every record is shown as main has it, alone and in lists. */
  async checkAll(): Promise<void> {
    const { ledger, databases } = this.#parts;
    const rows = await databases.ask<MainRow>(`
      select id::text, obs_unit_id, status, to_json(start_time at time zone 'UTC') #>> '{}' || 'Z' as start_time,
        to_json(end_time at time zone 'UTC') #>> '{}' || 'Z' as end_time, metadata from executed_obs_unit`);
    const set = await databases.ask<{ unit: string }>(
      "select distinct aggregate_id::text as unit from inbox where outcome <> 'applied'",
    );
    const isSetAside = new Set(set.map(({ unit }) => unit));
    const byId = new Map(rows.map((row) => [row.id, row]));
    const all = await this.walk('', 3, 'at rest');
    must(all !== undefined, 'unavailable', () => 'a list at rest');
    const listed = new Map(all.map((record) => [record.id, record]));
    for (const unit of new Set([...ledger.units, ...byId.keys()])) {
      if (unit.startsWith('unnamed')) continue;
      const shown = await this.read(unit, 'at rest');
      must((this.#last?.status ?? 500) < 500, 'unavailable', () => `${unit} at rest`);
      if (isSetAside.has(unit)) continue;
      const row = byId.get(unit);
      must(
        (shown !== undefined) === (row !== undefined),
        'at rest',
        () => `${unit} is ${shown ? 'shown' : 'not shown'}, and main has ${row ? 'it' : 'nothing'}`,
      );
      must(
        JSON.stringify(listed.get(unit)) === JSON.stringify(shown),
        'two answers',
        () => `${unit} reads ${JSON.stringify(shown)}, and ${JSON.stringify(listed.get(unit))} in a list`,
      );
      if (shown && row) checkEqual(shown, row);
    }
  }

  #last: HttpAnswer | undefined;

  async #get(path: string, asked: Pick<HttpRequest, 'params' | 'query'>, by: string): Promise<HttpAnswer> {
    const answer = await this.#ask({ function: 'query', method: 'GET', path, headers: {}, ...asked }, by);
    this.#last = answer;
    return answer;
  }
}

function checkEqual(shown: Shown, row: MainRow): void {
  const same = (a: unknown, b: unknown) => sorted(a) === sorted(b);
  const isEqual =
    shown.obs_unit_id === row.obs_unit_id &&
    shown.status === row.status &&
    sameInstant(row.start_time, shown.start_time) &&
    (row.end_time === null ? shown.end_time === null : sameInstant(row.end_time, shown.end_time)) &&
    same(shown.metadata, row.metadata) &&
    shown.sync.state === 'replicated';
  must(
    isEqual,
    'at rest',
    () => `${row.id} reads ${JSON.stringify(shown)}, and main has ${JSON.stringify(row)}`,
  );
}
