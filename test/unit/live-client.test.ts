import { describe, expect, it } from 'vitest';
import type { LiveEvent } from '../../lib/client/live-events.ts';
import { LiveSubscription } from '../../lib/client/live-subscription.ts';
import type { ServerMessage } from '../../lib/client/server-message.ts';

type Event = LiveEvent<'executed_obs_units'>;
const base = { channel: 'executed_obs_units', epoch: 'e', fence: 1, data: null, request: 1 };
const snapshot = { ...base, type: 'snapshot' as const, position: '5-0', part: 1, parts: 1 };
const update = { ...base, type: 'update' as const };

function subscription() {
  const events: string[] = [];
  const made = new LiveSubscription<'executed_obs_units'>('executed_obs_units', () => undefined);
  made.listen((event: Event) =>
    events.push(`${event.type} ${event.position}${event.type === 'snapshot' && event.gap ? ' gap' : ''}`),
  );
  made.asked(1, 0);
  // the server writes `data` last
  const receive = ({ data, ...rest }: ServerMessage) =>
    made.receive({ ...rest, data }, JSON.stringify({ ...rest, data }), 0);
  return { made, events, receive };
}

it('LiveSubscription emits each change once and ignores older broadcasters', () => {
  const { made, events, receive } = subscription();
  receive({ ...snapshot, data: [] });
  receive({ ...update, position: '6-0' });
  receive({ ...update, position: '6-0' });
  receive({ ...update, position: '10-0', fence: 2 });
  receive({ ...update, position: '11-0', fence: 1 });
  receive({ ...update, position: '9-1', fence: 2 });
  expect(events).toEqual(['snapshot 5-0', 'update 6-0', 'update 10-0']);
  expect(made.since).toEqual({ epoch: 'e', position: '10-0' });
});

it('LiveSubscription joins the parts of a snapshot and always accepts one with a gap or a new epoch', () => {
  const { events, receive } = subscription();
  const part = { ...snapshot, parts: 2 };
  receive({ ...part, part: 1, data: [{ id: 'a' }] });
  expect(events).toEqual([]);
  receive({ ...part, part: 2, data: [{ id: 'b' }] });
  receive({ ...snapshot, data: [] });
  receive({ ...snapshot, data: [], position: '4-0', gap: true });
  receive({ ...snapshot, data: [], epoch: 'f', position: '1-0', fence: 0 });
  expect(events).toEqual(['snapshot 5-0', 'snapshot 4-0 gap', 'snapshot 1-0']);
});

describe('LiveSubscription with a request of its own', () => {
  it('ignores answers to other requests and everything before its first part', () => {
    const { made, events, receive } = subscription();
    receive({ ...snapshot, part: 1, parts: 2, data: [] });
    made.asked(2, 0);
    expect(receive({ ...snapshot, part: 2, parts: 2, data: [] })).toBe(true);
    expect(receive({ ...update, request: 2, position: '6-0' })).toBe(true);
    expect(events).toEqual([]);
    receive({ ...snapshot, request: 2, data: [] });
    receive({ ...update, request: 1, position: '6-0' });
    receive({ ...update, request: 2, position: '7-0' });
    expect(events).toEqual(['snapshot 5-0', 'update 7-0']);
  });

  it.each<[string, Partial<ServerMessage>[]]>([
    ['a part is missing', [{ part: 1 }, { part: 3 }]],
    ['the first part is missing', [{ part: 2 }]],
    ['an update arrives between the parts', [{ part: 1 }, { type: 'update', position: '6-0' }]],
    ['the parts belong to two snapshots', [{ part: 1 }, { part: 2, position: '6-0' }]],
    ['the server resumes an unknown position', [{ type: 'resumed' }]],
  ])('requests a new snapshot when %s', (_when, messages) => {
    const { events, receive } = subscription();
    const outcomes = messages.map((each) => receive({ ...snapshot, parts: 3, data: [], ...each }));
    expect(outcomes.at(-1)).toBe(false);
    expect(events).toEqual([]);
  });

  it('accepts repeated parts and a restarted snapshot', () => {
    const { events, receive } = subscription();
    const outcomes = [1, 1, 2, 2, 1, 2, 3].map((part) => receive({ ...snapshot, part, parts: 3, data: [] }));
    expect(outcomes).toEqual(outcomes.map(() => true));
    expect(events).toEqual(['snapshot 5-0']);
  });

  it('accepts messages of a first-release server, which carry no request', () => {
    const { events, receive } = subscription();
    const { request: _request, ...old } = snapshot;
    receive({ ...old, data: [] });
    expect(events).toEqual(['snapshot 5-0']);
  });
});

it('LiveSubscription keeps the digits of a number that a double cannot hold', () => {
  const made = new LiveSubscription<'executed_obs_units'>('executed_obs_units', () => undefined);
  const texts: string[] = [];
  made.listen(({ json }) => texts.push(json));
  made.asked(1, 0);
  const receive = (text: string) => made.receive(JSON.parse(text) as ServerMessage, text, 0);
  const text = (more: string, data: string) =>
    `{"type":"snapshot","channel":"x","epoch":"e","position":"1-0","fence":1,"request":1${more},"data":${data}}`;
  receive(text(',"part":1,"parts":3', '[{"n":5853498713190525696}]'));
  receive(text(',"part":2,"parts":3', '[]'));
  receive(text(',"part":3,"parts":3', '[{"n":1.50}]'));
  receive(text(',"gap":true', '{"data":0.1234567890123456789}'));
  expect(texts).toEqual(['[{"n":5853498713190525696},{"n":1.50}]', '{"data":0.1234567890123456789}']);
});

it('LiveSubscription is an async iterable that ends when it is closed', async () => {
  const { made, receive } = subscription();
  const bare = new LiveSubscription<'executed_obs_units'>('executed_obs_units', () => undefined);
  bare.asked(1, 0);
  bare.receive({ ...snapshot, data: [] }, '{"data":[]}', 0);
  bare.end();
  const read: string[] = [];
  for await (const { position } of bare) read.push(position);
  expect(read).toEqual(['5-0']);
  receive({ ...snapshot, data: [] });
  expect(made.askedAt).toBeUndefined();
});
