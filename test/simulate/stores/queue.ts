/** Stands for lib/queue/queue.ts: the queues of the history that runs. */
import { world } from '../world/world.ts';

export type SendOutcome = 'taken' | 'refused' | 'failed';

export class Queue {
  readonly #name: string;

  constructor({ url }: { readonly url: string }) {
    this.#name = url;
  }

  async warmUp(): Promise<void> {}

  async send(body: string, delaySeconds = 0): Promise<void> {
    await world().queues.send(this.#name, [body], delaySeconds);
  }

  async sendAll(bodies: readonly string[]): Promise<boolean[]> {
    return (await this.sendEach(bodies)).map((outcome) => outcome === 'taken');
  }

  async sendEach(bodies: readonly string[]): Promise<SendOutcome[]> {
    const outcomes: SendOutcome[] = [];
    for (let from = 0; from < bodies.length; from += 10) {
      outcomes.push(...(await world().queues.send(this.#name, bodies.slice(from, from + 10), 0)));
    }
    return outcomes;
  }

  async hide(
    messages: readonly { readonly receiptHandle: string; readonly seconds: number }[],
  ): Promise<void> {
    if (messages.length > 0) await world().queues.hide(this.#name, messages);
  }

  receive() {
    return world().queues.receive(this.#name);
  }

  async delete(receiptHandle: string): Promise<void> {
    await world().queues.delete(this.#name, receiptHandle);
  }
}
