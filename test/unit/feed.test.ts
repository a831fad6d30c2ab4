import { expect, it } from 'vitest';
import { channels, readChannel, stateKinds } from '../../lib/channels/channels.ts';
import { tailOf } from '../../lib/channels/read.ts';
import { bufferedTables, isNamedInFeed } from '../../lib/table/tables.ts';

const entry = (position: string): [string, string[]] => [position, ['change', 'buffered', 'record', 'r']];

it('tailOf reports a broken tail when the entry at the requested position is missing', () => {
  expect(tailOf('1-0', [entry('1-0'), entry('2-0')])).toMatchObject({
    isBroken: false,
    position: '2-0',
    entries: [{ position: '2-0', change: 'buffered', record: 'r' }],
  });
  expect(tailOf('1-0', [entry('1-0')])).toMatchObject({ isBroken: false, position: '1-0', entries: [] });
  expect(tailOf('1-0', [entry('2-0')])).toMatchObject({ isBroken: true, position: '2-0' });
  expect(tailOf('1-0', [])).toMatchObject({ isBroken: true });
  expect(tailOf('0-0', [entry('2-0')])).toMatchObject({ isBroken: true, position: '2-0' });
  expect(tailOf('1-0', [['2-0', ['mark', '1']]])).toMatchObject({ isBroken: true, entries: [] });
});

it('readChannel accepts complete channel names only', () => {
  expect(readChannel('executed_obs_units?obs_unit_id=7')).toEqual({
    kind: 'units',
    name: 'executed_obs_units?obs_unit_id=7',
    value: 7,
  });
  for (const name of [
    '',
    'executed_obs_units?',
    'executed_obs_units?obs_unit_id=07',
    'executed_obs_units?obs_unit_id=2147483648',
    'transactions.1',
    'buffer ',
  ]) {
    expect(readChannel(name)).toBeUndefined();
  }
});

it('no two state channels share a stream', () => {
  const ofStates = stateKinds.map((kind) => channels[kind].stream);
  expect(new Set<string>(ofStates).size).toBe(ofStates.length);
});

it('the feed names each row of tables whose rows stand for themselves', () => {
  expect(bufferedTables.filter(isNamedInFeed)).toEqual(['executed_obs_unit']);
  expect(isNamedInFeed('data_transfer')).toBe(false);
});
