/** The people and programs of a history: they ask, note what they are answered, and look at what is shown. */
import { createHash } from 'node:crypto';
import { poison, unreadableMessages } from '../faults/storm/poison.ts';
import {
  isAcknowledged,
  isRefused,
  type Ledger,
  type StoredTransaction,
  type Write,
} from './checks/ledger.ts';
import { checkRepeat, checkReuse } from './checks/answers.ts';
import { must } from './checks/violation.ts';
import type { Random } from './engine/random.ts';
import type { Scheduler } from './engine/scheduler.ts';
import type { HttpAnswer, HttpRequest } from './functions.ts';
import { Looker } from './looker.ts';
import type { Machine } from './machine.ts';
import { changeByHand } from './by-hand.ts';
import { tokenOf, letIn } from './people.ts';
import { instants } from './plan/bodies.ts';
import { slowMark, type Event, type RowStep } from './plan/plan.ts';
import { submitDirectly } from './submit.ts';
import { respelled } from './spelling.ts';
import type { Databases } from './world/databases.ts';
import type { Queues } from './world/queues.ts';

interface Parts {
  readonly scheduler: Scheduler;
  readonly databases: Databases;
  readonly queues: Queues;
  readonly machine: Machine;
  readonly ledger: Ledger;
  readonly seed: number;
  readonly random: Random;
  readonly trace: (line: string) => void;
}

type Asking = Extract<Event, { kind: 'write' }>;

export class Client {
  readonly #parts: Parts;
  readonly #looker: Looker;
  /** the number of a unit → its id, once that is known */
  readonly #units = new Map<number, string>();
  /** event → what it has written */
  readonly #written = new Map<number, Write>();
  readonly #asked = new Map<
    number,
    { readonly request: HttpRequest; readonly body: Readonly<Record<string, unknown>> }
  >();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#looker = new Looker(parts, (request, id) => this.#ask(request, id));
  }

  async letIn(): Promise<void> {
    await letIn(this.#parts);
  }

  noteMessage(body: string): void {
    if (!body.includes('"kind":"transaction"')) return;
    try {
      const { transaction } = JSON.parse(body) as { transaction: StoredTransaction };
      this.#parts.ledger.queued.add(transaction.id);
      this.note(JSON.stringify([transaction]), true);
    } catch {
      // it is one of those that nobody can read
    }
  }

  /** @param batch JSON of stored transactions */
  note(batch: string, isCopy: boolean): void {
    const { ledger } = this.#parts;
    for (const each of JSON.parse(batch) as StoredTransaction[]) {
      // main is asked with what counts; a copy may be older
      if (!isCopy || !ledger.stored.has(each.id)) ledger.stored.set(each.id, each);
    }
  }

  async perform(event: Event): Promise<void> {
    const { queues, scheduler, trace, databases, ledger } = this.#parts;
    trace(`${scheduler.now} event ${event.id}: ${event.kind}`);
    switch (event.kind) {
      case 'write':
        return this.#begin(event, () => this.#write(event));
      case 'repeat':
      case 'reuse':
        return this.#begin(event, () => this.#again(event));
      case 'rows':
        return this.#begin(event, () =>
          this.#submit(event, event.unit, this.#stepsOf(event.unit, event.steps)),
        );
      case 'poison': {
        const unit = this.#unit(event.unit);
        const kind = event.poison === 'tooSlow' ? 'manyKeys' : event.poison;
        const { steps } = poison(kind, this.#uuid('poison', event.id), unit, scheduler.now);
        const values = {
          obs_unit_id: 1,
          status: 'running',
          start_time: instants[0],
          metadata: { text: slowMark },
        };
        const slow = [{ kind: 'create', table: 'executed_obs_unit', id: unit, values }];
        return this.#begin(event, () =>
          this.#submit(event, event.unit, event.poison === 'tooSlow' ? slow : steps),
        );
      }
      case 'unreadable':
        queues.put('transactions', unreadableMessages(this.#uuid('unreadable', event.id))[event.which] ?? '');
        return;
      case 'read':
        return this.#begin(
          event,
          async () => void (await this.#looker.read(this.#unit(event.unit), `event ${event.id}`)),
        );
      case 'list':
        return this.#begin(
          event,
          async () => void (await this.#looker.walk(event.query, event.limit, `event ${event.id}`)),
        );
      case 'status':
        return this.#begin(event, () =>
          this.#looker.status(this.#written.get(event.of), `event ${event.id}`),
        );
      case 'decide':
        return this.#begin(event, () => this.#decide(event));
      case 'sql': {
        const unit = this.#unit(event.unit);
        for (const each of [ledger.loose, ledger.byHand]) each.add(unit);
        await changeByHand(databases, unit, event.change);
      }
    }
  }

  /** Everything as it is shown at rest. */
  checkAll(): Promise<void> {
    return this.#alone(() => this.#looker.checkAll());
  }

  /** What is shown while nothing else happens. */
  look(): Promise<void> {
    return this.#alone(() => this.#looker.look());
  }

  async #alone(work: () => Promise<void>): Promise<void> {
    const { scheduler } = this.#parts;
    let failure: unknown;
    const task = scheduler.start('look', () => work().catch((error: unknown) => void (failure = error)));
    await scheduler.quiet();
    while (!task.isOver) if (!(await scheduler.step())) scheduler.now += 10;
    if (failure !== undefined) throw failure as Error;
  }

  async #begin(event: Event, work: () => Promise<void>): Promise<void> {
    const { scheduler } = this.#parts;
    scheduler.start(`client ${event.id} ${event.kind}`, work, { skew: event.skew });
    await scheduler.quiet();
  }

  async #write(event: Asking): Promise<void> {
    const { machine, ledger, scheduler } = this.#parts;
    const operation = machine.vocabulary.writes.find(({ name }) => name === event.operation);
    if (!operation) return;
    const isStart = !operation.path.includes('{');
    const known = this.#unit(event.unit);
    const body = event.body.id === '$unit' ? { ...event.body, id: known } : event.body;
    const request: HttpRequest = {
      ...{ function: 'accept', method: operation.method, path: operation.path },
      ...(!isStart && { params: { id: known } }),
      headers: headersOf(this.#parts.seed, event.principal, event.key),
      body: JSON.stringify(body),
    };
    this.#asked.set(event.id, { request, body });
    const write: Write = {
      ...{ event: event.id, unit: isStart && event.body.id === undefined ? `unnamed ${event.id}` : known },
      does: isStart ? 'start' : event.operation.startsWith('finish') ? 'finish' : 'other',
      ...{ body, principal: event.principal, key: event.key, askedAt: scheduler.now },
      ...{ answeredAt: undefined, answer: undefined, transaction: undefined, mayFail: false },
    };
    if (write.does === 'other') ledger.loose.add(write.unit);
    ledger.writes.push(write);
    this.#written.set(event.id, write);
    await this.#answered(write, request);
    if (isStart && write.unit !== known && !this.#units.has(event.unit) && isAcknowledged(write)) {
      this.#units.set(event.unit, write.unit);
    }
  }

  async #answered(write: Write, request: HttpRequest): Promise<HttpAnswer> {
    const { ledger, scheduler } = this.#parts;
    const others = () =>
      ledger.of(write.unit).filter((each) => each !== write && each.does === write.does && !isRefused(each));
    // until it is answered nobody can say whether it has had an effect
    const isLoose = ledger.loose.has(write.unit);
    ledger.unanswered.add(write);
    const answer = await this.#ask(request, `event ${write.event}`);
    ledger.unanswered.delete(write);
    write.answer = answer;
    write.answeredAt = scheduler.now;
    const body = (answer.body ?? {}) as {
      id?: string;
      transaction_id?: string;
      sync?: { stored_in?: string };
    };
    write.transaction = body.transaction_id;
    if (write.does === 'start' && isAcknowledged(write) && body.id !== undefined) write.unit = body.id;
    const isUncertain = !isAcknowledged(write) && !isRefused(write);
    const isLate = answer.status === 202 && others().length > 0;
    if (!isLoose && (isUncertain || isLate || body.sync?.stored_in === 'sqs')) ledger.loose.add(write.unit);
    return answer;
  }

  async #again(event: Extract<Event, { kind: 'repeat' | 'reuse' }>): Promise<void> {
    const first = this.#written.get(event.of);
    const asked = this.#asked.get(event.of);
    if (!first || !asked) return;
    const { ledger, scheduler } = this.#parts;
    const isReuse = event.kind === 'reuse';
    const body = isReuse ? { ...asked.body, ...event.body } : asked.body;
    const text = event.kind === 'repeat' && event.isRespelled ? respelled(body) : JSON.stringify(body);
    const request = { ...asked.request, body: text };
    const write: Write = {
      ...{
        event: event.id,
        unit: first.unit,
        does: first.does,
        body,
        principal: first.principal,
        key: first.key,
      },
      ...{
        askedAt: scheduler.now,
        answeredAt: undefined,
        answer: undefined,
        transaction: undefined,
        mayFail: false,
      },
    };
    const before = { ...first };
    ledger.writes.push(write);
    this.#written.set(event.id, write);
    const answer = await this.#answered(write, request);
    if (isReuse) checkReuse(ledger, before, answer);
    else checkRepeat(ledger, before, answer);
  }

  /** Through the door that every transaction passes, whatever route it will have one day. */
  async #submit(event: Event, unitNumber: number, steps: readonly unknown[]): Promise<void> {
    const { ledger, scheduler, machine } = this.#parts;
    const unit = this.#unit(unitNumber);
    ledger.loose.add(unit);
    const transaction = {
      ...{ version: 1, id: this.#uuid('transaction', event.id), stamp: (scheduler.now + event.skew) * 1000 },
      ...{ aggregate: unit, principal: '1', operation: event.kind, steps },
    };
    const write: Write = {
      ...{
        event: event.id,
        unit,
        does: 'other',
        body: {},
        principal: 1,
        key: undefined,
        askedAt: scheduler.now,
      },
      ...{ answeredAt: undefined, answer: undefined, transaction: transaction.id, mayFail: true },
    };
    ledger.writes.push(write);
    this.#written.set(event.id, write);
    const answer = await submitDirectly(machine, transaction, scheduler.now + event.skew);
    write.answer = answer;
    write.answeredAt = scheduler.now;
  }

  async #decide(event: Extract<Event, { kind: 'decide' }>): Promise<void> {
    const { ledger, seed } = this.#parts;
    const target = this.#written.get(event.of);
    if (target?.transaction === undefined) return;
    ledger.loose.add(target.unit);
    if (event.action === 'discard') target.mayFail = true;
    await this.#ask(
      {
        ...{ function: 'decide', method: 'POST', path: `/api/transactions/{id}/${event.action}` },
        params: { id: target.transaction },
        headers: headersOf(seed, 1, undefined),
        ...(event.action === 'discard' && { body: '{"reason":"of the simulation"}' }),
      },
      `event ${event.id}`,
    );
  }

  async #ask(request: HttpRequest, id: string): Promise<HttpAnswer> {
    const { trace, machine, scheduler } = this.#parts;
    const { seed } = this.#parts;
    const headers = { ...headersOf(seed, 1, undefined), ...request.headers };
    const answer = await machine.functions.http({ ...request, headers }, id);
    trace(
      `${scheduler.now} ${id}: ${request.method} ${request.path} → ${answer.status} ${JSON.stringify(answer.body)?.slice(0, 400)}`,
    );
    must(
      answer.status !== 500,
      'defect',
      () => `${id}: ${request.method} ${request.path} ${request.body ?? ''} → 500`,
    );
    return answer;
  }

  #stepsOf(unitNumber: number, steps: readonly RowStep[]) {
    const unit = this.#unit(unitNumber);
    return steps.map(({ kind, table, row, values }) => {
      const rules = this.#parts.machine.vocabulary.tables.find(({ name }) => name === table);
      const isOwn = rules?.parent === undefined;
      const id = isOwn ? unit : this.#uuid(`${table} ${unitNumber}`, row);
      if (kind === 'delete') return { kind, table, id };
      const parent = rules?.parent !== undefined && kind === 'create' ? { [rules.parent]: unit } : {};
      return { kind, table, id, values: { ...values, ...parent } };
    });
  }

  #unit(number: number): string {
    const known = this.#units.get(number) ?? this.#uuid('unit', number);
    this.#units.set(number, known);
    return known;
  }

  #uuid(...parts: readonly (string | number)[]): string {
    const hex = createHash('sha256')
      .update(JSON.stringify([this.#parts.seed, ...parts]))
      .digest('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  }
}

function headersOf(seed: number, principal: number, key: string | undefined): Record<string, string> {
  return {
    authorization: `Bearer ${tokenOf(seed, principal)}`,
    ...(key !== undefined && { 'idempotency-key': key }),
  };
}
