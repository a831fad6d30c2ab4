/** How messages leave: under the heading of this broadcaster, each with what its client has once it has got it. */
import type { Heading } from '../../lib/channels/protocol.ts';
import type { Mailbox } from './mailbox.ts';
import type { Watcher } from './subscriptions.ts';

export class Delivery {
  readonly #mailbox: Pick<Mailbox, 'put'>;
  readonly #fence: number;
  /** names the feed that positions belong to */
  epoch = '';

  constructor(mailbox: Pick<Mailbox, 'put'>, fence: number) {
    this.#mailbox = mailbox;
    this.#fence = fence;
  }

  readonly heading = (channel: string, position: string): Heading => ({
    channel,
    epoch: this.epoch,
    position,
    fence: this.#fence,
  });

  /**
   * @param position that the client has reached with it; undefined: more is to come before it has
   * @param folds a later message of the channel replaces it while it waits
   */
  put({ id, channel, request }: Watcher, position: string | undefined, text: string, folds = false): void {
    this.#mailbox.put(id, {
      text,
      channel: channel.name,
      folds,
      ...(position !== undefined && { since: { epoch: this.epoch, position } }),
      ...(request !== undefined && { request }),
    });
  }
}
