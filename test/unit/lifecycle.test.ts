import { expect, it } from 'vitest';
import {
  lifecycle,
  outcomes,
  parkingReasons,
  stateOfInbox,
  states,
} from '../../lib/transaction/lifecycle.ts';

it('lifecycle ranks states from the least to the most advanced', () => {
  const ordered = [['failed'], ['buffered', 'waiting'], ['committed'], ['replicated', 'discarded']] as const;
  expect(new Set(ordered.flat())).toEqual(new Set(states));
  const ranks = ordered.map((together) => new Set(together.map((state) => lifecycle[state].advance)));
  for (const rank of ranks) expect(rank.size).toBe(1);
  const flat = ranks.flatMap((rank) => [...rank]);
  expect(flat).toEqual([...flat].sort((a, b) => a - b));
  expect(new Set(flat).size).toBe(flat.length);
});

it('lifecycle marks waiting and failed transactions as set aside', () => {
  expect(states.filter((state) => lifecycle[state].isSetAside)).toEqual(['waiting', 'failed']);
  expect(states.filter((state) => lifecycle[state].isFinal)).toEqual(['replicated', 'failed', 'discarded']);
  expect(states.filter((state) => !lifecycle[state].hasEffect)).toEqual(['discarded']);
});

it('stateOfInbox maps each outcome at main to a state', () => {
  const table = outcomes.flatMap((outcome) =>
    [null, ...parkingReasons]
      .filter((parkedFor) => (parkedFor !== null) === (outcome === 'parked'))
      .flatMap((parkedFor) =>
        [false, true].map((overdue) => [
          `${outcome} ${parkedFor ?? '-'} ${overdue ? 'overdue' : ''}`.trim(),
          stateOfInbox({ outcome, parkedFor, overdue }),
        ]),
      ),
  );
  expect(Object.fromEntries(table)).toEqual({
    'applied -': 'committed',
    'applied - overdue': 'committed',
    'refused -': 'failed',
    'refused - overdue': 'failed',
    'parked start': 'waiting',
    'parked start overdue': 'failed',
    'parked behind': 'waiting',
    'parked behind overdue': 'failed',
    'parked failed': 'failed',
    'parked failed overdue': 'failed',
    'discarded -': 'discarded',
    'discarded - overdue': 'discarded',
  });
});
