/** States as arguments for the scripts of the buffer, so that only lifecycle.ts names and compares them. */
import { lifecycle, states, type Outcome, type State } from '../transaction/lifecycle.ts';

const first: State = 'buffered';
const cleaned: State = 'replicated';
export const failedState: State = 'failed';

/** Outcome of a transaction that both main and the site have lost. */
export const lostOutcome = 'lost';

/** State or outcome of an abandoned transaction → the refusal of an identical request. */
export const repeatRefusals: Readonly<
  Partial<Record<State | Outcome, 'discarded_before' | 'refused_before'>>
> = {
  discarded: 'discarded_before',
  refused: 'refused_before',
};

const change = (state: State) => lifecycle[state].change ?? lifecycle[first].change;

export const stateFlags = {
  /** of an accepted transaction, and its entry in the feed */
  state: first,
  change: change(first),
  committed_state: 'committed' satisfies State,
  /** of a transaction that every replica has and the buffer no longer holds */
  cleaned_state: cleaned,
  repeat_refusals: repeatRefusals,
} as const;

export const restoredStates = {
  ...stateFlags,
  /** state → entry of the feed when a transaction is restored in it */
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
