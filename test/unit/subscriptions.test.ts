import { expect, it } from 'vitest';
import { Subscriptions } from '../../functions/broadcast/subscriptions.ts';
import type { Connection, Subscription } from '../../lib/sockets/connections.ts';

const units = 'executed_obs_units';
const connection = (...subscriptions: Subscription[]): Connection => ({
  id: 'c',
  principal: '1',
  permissions: [],
  connectedAt: 0,
  subscriptions,
});
const live = { channel: units, asked: 1, live: true };
const since = { epoch: 'e', position: '1-0' };
const resumed = { states: true, events: true, from: () => since };

it('Subscriptions moves a subscription that cannot begin behind the others', () => {
  const subscriptions = new Subscriptions();
  const asked = ['executed_obs_units', 'buffer', 'transfer.overview'].map((channel) => ({
    channel,
    live: false,
    asked: 1,
  }));
  const connection = { id: 'a', principal: '1', permissions: [], connectedAt: 0, subscriptions: asked };
  subscriptions.open(connection, undefined);
  const [first] = subscriptions.starting;
  if (!first) throw new Error('nothing is to begin');
  subscriptions.postpone(first);
  expect(subscriptions.starting.map(({ channel }) => channel.name)).toEqual([
    'buffer',
    'transfer.overview',
    'executed_obs_units',
  ]);
  subscriptions.started(first);
  subscriptions.postpone(first);
  expect(subscriptions.starting).toHaveLength(2);
});

it('Subscriptions resumes from the checkpoint of the last broadcaster, or begins anew with a gap', () => {
  const after = new Subscriptions();
  after.open(connection(live), resumed);
  expect(after.on(units)).toMatchObject([{ id: 'c', since }]);
  const alone = new Subscriptions();
  alone.open(connection(live, { channel: 'buffer', asked: 2, live: true }), undefined);
  expect(alone.on(units)).toEqual([]);
  expect(alone.starting).toMatchObject([
    { channel: { name: units }, hasGap: true },
    { channel: { name: 'buffer' }, hasGap: false },
  ]);
});

it('Subscriptions notes a subscription as live only after its snapshot was delivered', () => {
  const subscriptions = new Subscriptions();
  subscriptions.open(connection({ channel: units, asked: 1, live: false, since }), undefined);
  const [beginner] = subscriptions.starting;
  if (!beginner) throw new Error('nothing is to begin');
  subscriptions.started(beginner);
  const waiting = new Map([['c', new Map([[units, undefined]])]]);
  expect(subscriptions.changesToSave(waiting)).toEqual([]);
  expect(subscriptions.changesToSave(new Map())).toEqual([{ id: 'c', channel: units, asked: 1, live: true }]);
  expect(subscriptions.changesToSave(new Map())).toEqual([]);
  // a subscription that falls behind is not live
  const behind = new Map([['c', new Map([[units, since]])]]);
  expect(subscriptions.changesToSave(behind)).toEqual([
    { id: 'c', channel: units, asked: 1, live: false, since },
  ]);
});

it('Subscriptions notes the position of a takeover if nothing was delivered since', () => {
  const subscriptions = new Subscriptions();
  subscriptions.open(connection(live), resumed);
  const waiting = new Map([['c', new Map([[units, undefined]])]]);
  expect(subscriptions.changesToSave(waiting)).toEqual([
    { id: 'c', channel: units, asked: 1, live: false, since },
  ]);
});

it('Subscriptions notes a subscription as not live when it restarts in the round in which it became live', () => {
  const subscriptions = new Subscriptions();
  subscriptions.open(connection({ ...live, request: 7 }), resumed);
  subscriptions.restartWhere(() => true);
  const [beginner] = subscriptions.starting;
  if (!beginner) throw new Error('nothing is to begin');
  subscriptions.started(beginner);
  const waiting = new Map([['c', new Map([[units, undefined]])]]);
  const note = { id: 'c', channel: units, asked: 1, request: 7 };
  expect(subscriptions.changesToSave(waiting)).toEqual([{ ...note, live: false, gap: true }]);
  expect(subscriptions.changesToSave(new Map())).toEqual([{ ...note, live: true }]);
});

it('Subscriptions repeats an incomplete snapshot, here or at the next broadcaster', () => {
  const subscriptions = new Subscriptions();
  subscriptions.open(connection({ channel: units, asked: 1, live: false }), undefined);
  const [beginner] = subscriptions.starting;
  if (!beginner) throw new Error('nothing is to begin');
  subscriptions.started(beginner, true);
  expect(subscriptions.changesToSave(new Map())).toEqual([
    { id: 'c', channel: units, asked: 1, live: false, gap: true },
  ]);
  expect(subscriptions.restartUnseen()).toEqual([{ id: 'c', name: units }]);
  expect(subscriptions.starting).toMatchObject([{ hasGap: true }]);
  expect(subscriptions.hasUnseen).toBe(false);
});

it('Subscriptions does not begin on a channel that was left meanwhile', () => {
  const subscriptions = new Subscriptions();
  subscriptions.open(connection({ channel: units, asked: 1, live: false }), undefined);
  subscriptions.open(connection(), undefined);
  expect(subscriptions.count).toBe(0);
});

it('Subscriptions restarts when the client subscribes again, and ends when it leaves', () => {
  const subscriptions = new Subscriptions();
  subscriptions.open(connection(live), resumed);
  expect(subscriptions.open(connection(live), undefined)).toEqual([]);
  expect(subscriptions.open(connection({ channel: units, asked: 2, live: false }), undefined)).toEqual([
    units,
  ]);
  expect(subscriptions.starting).toMatchObject([{ asked: 2 }]);
  subscriptions.restartWhere(() => true);
  subscriptions.forget('c');
  expect(subscriptions.starting).toEqual([]);
});
