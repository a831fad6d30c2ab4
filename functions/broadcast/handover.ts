/** Saves what the next broadcaster needs to continue: positions, lagging subscriptions, and the states that were sent. */
import { stateKinds, streamOf, type StreamName } from '../../lib/channels/channels.ts';
import { writeCheckpoint } from '../../lib/channels/checkpoint.ts';
import type { Site } from '../../lib/redis/site.ts';
import { saveSubscriptions } from '../../lib/sockets/connections.ts';
import type { Mailbox } from './mailbox.ts';
import type { States } from './states.ts';
import type { Subscriptions } from './subscriptions.ts';

export interface HandoverParts {
  readonly site: Site;
  readonly fence: number;
  readonly subscriptions: Subscriptions;
  readonly mailbox: Pick<Mailbox, 'lagging'>;
  readonly states: States;
}

type Positions = Readonly<Record<StreamName, string>>;

export class Handover {
  readonly #parts: HandoverParts;
  #written = '';

  constructor(parts: HandoverParts) {
    this.#parts = parts;
  }

  /**
   * Writes the lagging subscriptions before the positions of all others, so that the next broadcaster misses nothing.
   * @param isWhole this broadcaster ends in an orderly way and has sent everything
   */
  async write(epoch: string, positions: Positions, isWhole: boolean): Promise<void> {
    const { site, fence, subscriptions, mailbox } = this.#parts;
    await saveSubscriptions(site, subscriptions.changesToSave(mailbox.lagging()));
    const states = isWhole ? this.#states() : [];
    const at = {
      epoch,
      // a state keeps the position at which it was sent: the next broadcaster reads it again anyway
      positions: {
        ...positions,
        ...Object.fromEntries(states.map(({ kind, position }) => [streamOf({ kind }), position])),
      },
      isWhole,
      states: Object.fromEntries(states.map(({ kind, json }) => [kind, json])),
    };
    const text = JSON.stringify(at);
    if (text === this.#written) return;
    await writeCheckpoint(site, fence, at);
    this.#written = text;
  }

  /** The states that every subscriber has. */
  #states() {
    return stateKinds.flatMap((kind) => {
      const state = this.#parts.states.get(kind);
      return state ? [{ kind, ...state }] : [];
    });
  }
}
