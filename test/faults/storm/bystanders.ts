/** Programs beside the clients: they send poison, and change rows at main by plain SQL. */
import { randomUUID } from 'node:crypto';
import { Queue } from '../../../lib/queue/queue.ts';
import { transactionMessage } from '../../../lib/queue/messages.ts';
import { acceptByHand } from '../../support/by-hand.ts';
import type { TestStack } from '../../support/test-stack.ts';
import { poison, poisonKinds, unreadableMessages } from './poison.ts';

export class Bystanders {
  /** transactions that must have an outcome at main in the end */
  readonly poisoned: { readonly id: string; readonly kind: string; isDiscarded: boolean }[] = [];
  /** number of unreadable messages that SQS has accepted */
  unreadable = 0;
  readonly #stack: TestStack;
  readonly #queue: Queue;

  constructor(stack: TestStack) {
    this.#stack = stack;
    this.#queue = new Queue({ url: stack.description.queues.transactions });
  }

  /** Sends poison, half of it through both stores as the accept function does, half through the queue alone. */
  async poison(chance: number): Promise<void> {
    const kind = poisonKinds[this.poisoned.length % poisonKinds.length] ?? 'statusOfNoRow';
    const transaction = poison(kind, randomUUID(), randomUUID(), Date.now());
    try {
      if (chance < 0.5) await acceptByHand(this.#stack, transaction);
      await this.#queue.send(transactionMessage(transaction));
    } catch {
      return; // not acknowledged
    }
    this.poisoned.push({ id: transaction.id, kind, isDiscarded: false });
  }

  async sendUnreadable(): Promise<void> {
    const bodies = unreadableMessages(randomUUID());
    const taken = await this.#queue.sendAll(bodies).catch(() => []);
    this.unreadable += taken.filter(Boolean).length;
  }

  /** Moves, deletes or inserts rows that the API would not accept, in turn. */
  async plainSql(chance: number): Promise<void> {
    const id = randomUUID();
    const statements = [
      `update executed_obs_unit set obs_unit_id = 1 + (obs_unit_id + 7) % 300
       where id = (select id from executed_obs_unit order by id offset ${Math.floor(chance * 20)} limit 1)`,
      `insert into executed_obs_unit (id, obs_unit_id, status, start_time) values ('${id}', 9, 'running', 'infinity')`,
      `insert into executed_obs_unit (id, obs_unit_id, status, start_time)
       values (md5('${id}')::uuid, 9, 'running', '0044-03-15 12:00 BC')`,
      `with doomed as (select e.id from executed_obs_unit e where e.obs_unit_id = 9 and not isfinite(e.start_time) limit 1)
       delete from executed_obs_unit where id in (select id from doomed)`,
    ];
    const statement = statements[Math.floor(chance * 1000) % statements.length] ?? '';
    await this.#stack.main.query(statement).catch(() => undefined);
  }

  /**
   * Discards transactions with an unknown column, as an admin would: main treats them as a fault of the deployment, so that
   * they wait with an alarm.
   */
  async discardWaiting(): Promise<void> {
    const { api, description } = this.#stack;
    const waiting = this.poisoned.filter(({ kind, isDiscarded }) => kind === 'unknownColumn' && !isDiscarded);
    for (const each of waiting) {
      const reply = await api(`/api/transactions/${each.id}/discard`, {
        method: 'POST',
        token: description.tokens.admin,
        body: { reason: 'main has no such column' },
      });
      each.isDiscarded = reply.status === 202;
    }
  }

  /** Describes the poison and unreadable messages without an outcome at main. */
  async stuck(): Promise<string[]> {
    const { main } = this.#stack;
    const { rows } = await main.query<{ id: string; outcome: string }>(
      'select transaction_id as id, outcome from inbox where transaction_id = any ($1::uuid[])',
      [this.poisoned.map(({ id }) => id)],
    );
    const outcomes = new Map(rows.map((row) => [row.id, row.outcome]));
    const kept = await main.query<{ n: number }>('select count(*)::integer as n from unreadable_message');
    const missing = this.unreadable - (kept.rows[0]?.n ?? 0);
    return [
      ...this.poisoned
        .filter(({ id }) => !outcomes.has(id))
        .map(({ id, kind }) => `no outcome of poison ${id} (${kind})`),
      ...(missing > 0 ? [`${missing} unreadable messages are not stored`] : []),
    ];
  }
}
