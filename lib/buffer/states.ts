/** What the scripts of the buffer know of states: they get them as data, so that lifecycle.ts alone names and compares them. */
import { lifecycle, states, type Outcome, type State } from '../transaction/lifecycle.ts';

const first: State = 'buffered';
const cleaned: State = 'replicated';
export const failedState: State = 'failed';

/** Outcome of what main has lost, and the site too. */
export const lostOutcome = 'lost';

/** Of a transaction that was given up: what a repeat of the same request is refused as. By state and by outcome. */
export const givenUp: Readonly<Partial<Record<State | Outcome, 'discarded_before' | 'refused_before'>>> = {
  discarded: 'discarded_before',
  refused: 'refused_before',
};

const change = (state: State) => lifecycle[state].change ?? lifecycle[first].change;

export const stateFlags = {
  /** of what is accepted, and its entry in the feed */
  state: first,
  change: change(first),
  committed_state: 'committed' satisfies State,
  /** of what every replica has, and the buffer no longer */
  cleaned_state: cleaned,
  given_up: givenUp,
} as const;

export const restoredStates = {
  ...stateFlags,
  /** state → entry of the feed when a transaction reads so again */
  changes: Object.fromEntries(states.map((state) => [state, change(state)])),
  refused_outcome: 'refused' satisfies Outcome,
  lost_outcome: lostOutcome,
} as const;

export const revivedStates = {
  again: first,
  lost: failedState,
  lost_change: change(failedState),
  lost_outcome: lostOutcome,
} as const;
