/** The queues of one history, at least once and in no order, as SQS keeps them. */
import type { Scheduler } from '../engine/scheduler.ts';

export interface StoredMessage {
  readonly id: number;
  readonly body: string;
  receives: number;
  /** virtual ms: hidden until then */
  visibleAt: number;
  /** while a consumer has it */
  receipt: string | undefined;
}

type SendOutcome = 'taken' | 'refused' | 'failed';

const visibilityMilliseconds = 90_000;
/** The last characters that SQS does not take. */
const forbidden = /[^\u0009\u000a\u000d\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;
const mostBytes = 1024 * 1024;

export class Queues {
  readonly #messages = new Map<string, StoredMessage[]>();
  readonly #scheduler: Scheduler;
  #count = 0;
  /** SQS does not answer */
  isAway = false;
  /** Whether a copy is lost, or comes twice: the schedule says so of each message. */
  /** told of each message that was taken */
  onMessage: (body: string) => void = () => undefined;
  fate: () => 'once' | 'lost' | 'twice' | 'late' = () => 'once';

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  all(name: string): readonly StoredMessage[] {
    return this.#messages.get(name) ?? [];
  }

  /** When messages show. */
  get times(): number[] {
    return [...this.#messages.values()].flat().map(({ visibleAt }) => visibleAt);
  }

  async send(name: string, bodies: readonly string[], delaySeconds: number): Promise<SendOutcome[]> {
    return this.#scheduler.call(
      'queue',
      `send ${bodies.length} to ${name}`,
      async () => {
        if (this.isAway) throw new Error('SQS does not answer');
        const outcomes = bodies.map((body): SendOutcome => {
          if (forbidden.test(body) || Buffer.byteLength(body) > mostBytes) return 'refused';
          this.#add(name, body, delaySeconds);
          return 'taken';
        });
        if (bodies.length === 1 && outcomes[0] === 'refused') {
          throw Object.assign(new Error('refused by SQS'), { name: 'InvalidMessageContents' });
        }
        return outcomes;
      },
      () => new Error('SQS did not answer'),
    );
  }

  /** As a foreign program, or the fault of a network, puts it there. */
  put(name: string, body: string): void {
    this.#add(name, body, 0);
  }

  #add(name: string, body: string, delaySeconds: number): void {
    const fate = this.fate();
    this.onMessage(body);
    const times = fate === 'lost' ? 0 : fate === 'twice' ? 2 : 1;
    const messages = this.#messages.get(name) ?? [];
    this.#messages.set(name, messages);
    for (let i = 0; i < times; i += 1) {
      const late = fate === 'late' || i === 1 ? 45_000 : 0;
      messages.push({
        id: (this.#count += 1),
        body,
        receives: 0,
        visibleAt: this.#scheduler.now + delaySeconds * 1000 + late,
        receipt: undefined,
      });
    }
  }

  visible(name: string): StoredMessage[] {
    return this.all(name).filter(({ visibleAt }) => visibleAt <= this.#scheduler.now);
  }

  /** Hands messages to a consumer. */
  take(messages: readonly StoredMessage[]): void {
    for (const message of messages) {
      message.receives += 1;
      message.visibleAt = this.#scheduler.now + visibilityMilliseconds;
      message.receipt = `${message.id}:${message.receives}`;
    }
  }

  remove(name: string, ids: readonly number[]): void {
    this.#messages.set(
      name,
      this.all(name).filter(({ id }) => !ids.includes(id)),
    );
  }

  async hide(
    name: string,
    hidden: readonly { readonly receiptHandle: string; readonly seconds: number }[],
  ): Promise<void> {
    await this.#scheduler.call(
      'queue',
      `hide ${hidden.length} in ${name}`,
      async () => {
        if (this.isAway) throw new Error('SQS does not answer');
        for (const { receiptHandle, seconds } of hidden) {
          const message = this.all(name).find(({ receipt }) => receipt === receiptHandle);
          if (message) message.visibleAt = this.#scheduler.now + seconds * 1000;
        }
      },
      () => new Error('SQS did not answer'),
    );
  }

  async receive(name: string): Promise<{ readonly Body: string; readonly ReceiptHandle: string }[]> {
    const taken = this.visible(name).slice(0, 10);
    // an empty queue costs a history nothing
    if (taken.length === 0) return [];
    return this.#scheduler.call(
      'queue',
      `receive from ${name}`,
      async () => {
        this.take(taken);
        return taken.map(({ body, receipt = '' }) => ({ Body: body, ReceiptHandle: receipt }));
      },
      () => new Error('SQS did not answer'),
    );
  }

  async delete(name: string, receiptHandle: string): Promise<void> {
    await this.#scheduler.call(
      'queue',
      `delete from ${name}`,
      async () => {
        const message = this.all(name).find(({ receipt }) => receipt === receiptHandle);
        if (message) this.remove(name, [message.id]);
      },
      () => new Error('SQS did not answer'),
    );
  }
}
