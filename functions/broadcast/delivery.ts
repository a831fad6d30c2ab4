/** Puts messages into the mailbox, with this broadcaster's heading and the position that the client reaches with each. */
import type { Heading } from '../../lib/channels/protocol.ts';
import type { Mailbox } from './mailbox.ts';
import type { Watcher } from './subscriptions.ts';

export class Delivery {
  readonly #mailbox: Pick<Mailbox, 'put'>;
  readonly #fence: number;
  /** of the feed that positions belong to */
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
   * @param position that the client reaches with this message; undefined if it is an earlier part of several
   * @param folds a later message of the channel replaces this one while it is waiting
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
