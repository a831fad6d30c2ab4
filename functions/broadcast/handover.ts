/** What one broadcaster leaves to the next: where it is, which subscriptions are behind, and the states that all have. */
import { stateKinds, streamOf, type StreamName } from '../../lib/channels/channels.ts';
import { writeCheckpoint } from '../../lib/channels/checkpoint.ts';
import type { Site } from '../../lib/redis/site.ts';
import { noteSubscriptions } from '../../lib/sockets/connections.ts';
import type { Mailbox } from './mailbox.ts';
import type { States } from './states.ts';
import type { Subscriptions } from './subscriptions.ts';

export interface HandoverParts {
  readonly site: Site;
  readonly fence: number;
  readonly subscriptions: Subscriptions;
  readonly mailbox: Pick<Mailbox, 'behind'>;
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
   * First the subscriptions that are behind, then the positions of all others: the reader of both misses nothing.
   * @param isWhole it ends here in order, and everything has been sent
   */
  async write(epoch: string, positions: Positions, isWhole: boolean): Promise<void> {
    const { site, fence, subscriptions, mailbox } = this.#parts;
    await noteSubscriptions(site, subscriptions.notes(mailbox.behind()));
    const states = isWhole ? this.#states() : [];
    const at = {
      epoch,
      // a state keeps the position at which it was sent: the next broadcaster reads it again in any case
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

  /** Those that every subscriber has. */
  #states() {
    return stateKinds.flatMap((kind) => {
      const state = this.#parts.states.get(kind);
      return state ? [{ kind, ...state }] : [];
    });
  }
}
