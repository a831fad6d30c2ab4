import { expect, it } from 'vitest';
import { LiveSubscription, type LiveEvent } from '../../lib/client/live-subscription.ts';

type Event = LiveEvent<'executed_obs_units'>;
const base = { channel: 'executed_obs_units', epoch: 'e', fence: 1, data: null };

function subscription() {
  const events: string[] = [];
  const made = new LiveSubscription<'executed_obs_units'>('executed_obs_units', () => undefined);
  made.listen((event: Event) =>
    events.push(`${event.type} ${event.position}${event.type === 'snapshot' && event.gap ? ' gap' : ''}`),
  );
  return { made, events };
}

it('gives each change once, and nothing that an older broadcaster says', () => {
  const { made, events } = subscription();
  made.receive({ ...base, type: 'snapshot', position: '5-0', data: [], part: 1, parts: 1 });
  made.receive({ ...base, type: 'update', position: '6-0' });
  made.receive({ ...base, type: 'update', position: '6-0' });
  made.receive({ ...base, type: 'update', position: '10-0', fence: 2 });
  made.receive({ ...base, type: 'update', position: '11-0', fence: 1 });
  made.receive({ ...base, type: 'update', position: '9-1', fence: 2 });
  expect(events).toEqual(['snapshot 5-0', 'update 6-0', 'update 10-0']);
  expect(made.since).toEqual({ epoch: 'e', position: '10-0' });
});

it('takes a snapshot in parts as one, and one that tells of a gap or of a new feed always', () => {
  const { made, events } = subscription();
  const part = { ...base, type: 'snapshot' as const, position: '5-0', parts: 2 };
  made.receive({ ...part, part: 1, data: [{ id: 'a' }] });
  expect(events).toEqual([]);
  made.receive({ ...part, part: 2, data: [{ id: 'b' }] });
  made.receive({ ...part, part: 1, parts: 1, data: [] });
  made.receive({ ...part, part: 1, parts: 1, data: [], position: '4-0', gap: true });
  made.receive({
    ...base,
    type: 'snapshot',
    epoch: 'f',
    position: '1-0',
    fence: 0,
    data: [],
    part: 1,
    parts: 1,
  });
  expect(events).toEqual(['snapshot 5-0', 'snapshot 4-0 gap', 'snapshot 1-0']);
});

it('is read as an iteration that ends with it', async () => {
  const { made } = {
    made: new LiveSubscription<'executed_obs_units'>('executed_obs_units', () => undefined),
  };
  made.receive({ ...base, type: 'update', position: '1-0' });
  made.end();
  const read: string[] = [];
  for await (const { position } of made) read.push(position);
  expect(read).toEqual(['1-0']);
});
