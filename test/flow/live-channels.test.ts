/** Subscriptions of a plain WebSocket client. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { connectPlainSocket, type TestSocket } from '../support/test-socket.ts';
import { finishUnit, startTestStack, startUnit, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;
const sockets: TestSocket[] = [];

interface Message {
  readonly type: string;
  readonly channel?: string;
  readonly code?: string;
  readonly epoch: string;
  readonly position: string;
  readonly change?: string;
  readonly gap?: boolean;
  readonly part?: number;
  readonly parts?: number;
  readonly data: unknown;
}

beforeAll(async () => {
  stack = await startTestStack({ settings: { ANSWER_BUDGET_MS: 'always' } });
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});
afterAll(() => stack.stop());

async function open(token = stack.description.tokens.viewer): Promise<TestSocket> {
  const { body } = await stack.api('/api/ws/ticket', { method: 'POST', token });
  const socket = await connectPlainSocket(stack.description.websocket, String(body.ticket));
  sockets.push(socket);
  return socket;
}
const read = ({ messages }: TestSocket) => messages.map((text) => JSON.parse(text) as Message);
const ofType = (socket: TestSocket, type: string) => read(socket).filter((each) => each.type === type);

describe('channel executed_obs_units', () => {
  it('sends every change of every record merged, each with its position', async () => {
    const socket = await open();
    socket.send({ type: 'subscribe', channel: 'executed_obs_units' });
    await eventually(() => expect(ofType(socket, 'snapshot')).toHaveLength(1));
    const { body } = await startUnit(stack.api, { obs_unit_id: 31 });
    await finishUnit(stack.api, body.id, { status: 'aborted' });
    await eventually(() => {
      const changes = ofType(socket, 'update').map(({ change }) => change);
      expect(changes.filter((each) => each === 'buffered')).toHaveLength(2);
      expect(changes.filter((each) => each === 'committed')).toHaveLength(2);
      expect(changes.filter((each) => each === 'replicated')).toHaveLength(2);
    });
    const updates = ofType(socket, 'update');
    expect(updates.at(-1)?.data).toMatchObject({
      id: body.id,
      status: 'aborted',
      sync: { state: 'replicated' },
    });
    expect(new Set(updates.map(({ position }) => position)).size).toBe(updates.length);
    // a record never goes backwards
    const statuses = updates.map(({ data }) => (data as { status: string }).status);
    expect(statuses.lastIndexOf('running')).toBeLessThan(
      statuses.indexOf('aborted') + Number(!statuses.includes('running')),
    );

    await stack.main.query(`update executed_obs_unit set metadata = '{"by": "hand"}' where id = $1`, [
      body.id,
    ]);
    await eventually(() =>
      expect(ofType(socket, 'update').at(-1)).toMatchObject({
        change: 'changed',
        data: { metadata: { by: 'hand' } },
      }),
    );
  });

  it('sends only records of the planned unit that it names', async () => {
    const socket = await open();
    const channel = 'executed_obs_units?obs_unit_id=32';
    const { body: before } = await startUnit(stack.api, { obs_unit_id: 32 });
    socket.send({ type: 'subscribe', channel });
    await eventually(() => expect(ofType(socket, 'snapshot')[0]?.data).toMatchObject([{ id: before.id }]));
    await startUnit(stack.api, { obs_unit_id: 33 });
    const { body } = await startUnit(stack.api, { obs_unit_id: 32 });
    await eventually(() =>
      expect(ofType(socket, 'update').at(-1)).toMatchObject({
        channel,
        change: 'replicated',
        data: { id: body.id },
      }),
    );
    for (const { data } of ofType(socket, 'update')) expect(data).toMatchObject({ obs_unit_id: 32 });
  });

  it('resumes from a position without a snapshot, or sends one with a gap', async () => {
    const first = await open();
    first.send({ type: 'subscribe', channel: 'executed_obs_units' });
    await eventually(() => expect(ofType(first, 'snapshot')).toHaveLength(1));
    const [{ epoch, position } = { epoch: '', position: '' }] = ofType(first, 'snapshot');
    const { body } = await startUnit(stack.api, { obs_unit_id: 34 });
    await eventually(() => expect(ofType(first, 'update').at(-1)?.change).toBe('replicated'));

    const second = await open();
    second.send({ type: 'subscribe', channel: 'executed_obs_units', since: { epoch, position } });
    await eventually(() => expect(read(second).length).toBeGreaterThanOrEqual(4));
    expect(read(second)[0]).toMatchObject({ type: 'resumed', position });
    expect(ofType(second, 'update').map((each) => each.position)).toEqual(
      ofType(first, 'update').map((each) => each.position),
    );
    expect(ofType(second, 'update').at(-1)?.data).toMatchObject({ id: body.id });

    for (const since of [
      { epoch, position: '1-1' },
      { epoch: 'other', position },
      { epoch, position: 'x' },
    ]) {
      const third = await open();
      third.send({ type: 'subscribe', channel: 'executed_obs_units', since });
      await eventually(() => expect(read(third)[0]).toMatchObject({ type: 'snapshot', gap: true }));
    }
  });

  it('splits a long snapshot, and links to a record too large for a message', async () => {
    const text = 'x'.repeat(30_000);
    const starts = [1, 2, 3].map(() =>
      startUnit(stack.api, { obs_unit_id: 35, metadata: { a: text.slice(0, 9000) } }),
    );
    await Promise.all(starts);
    const { body } = await startUnit(stack.api, { obs_unit_id: 35, metadata: { a: text, b: text } });
    const socket = await open();
    socket.send({ type: 'subscribe', channel: 'executed_obs_units?obs_unit_id=35' });
    await eventually(() => {
      const parts = ofType(socket, 'snapshot');
      expect(parts.length).toBeGreaterThan(0);
      expect(parts).toHaveLength(parts[0]?.parts ?? 0);
    });
    const records = ofType(socket, 'snapshot').flatMap(
      ({ data }) => data as { id: string; error?: string }[],
    );
    expect(records).toHaveLength(4);
    expect(records.find(({ id }) => id === body.id)).toEqual({
      id: body.id,
      error: 'too_large',
      location: `/executed_obs_units/${String(body.id)}`,
    });
    for (const message of socket.messages) expect(Buffer.byteLength(message)).toBeLessThanOrEqual(32 * 1024);
  });
});

describe('the other channels', () => {
  it('transactions.{id} sends the states of one transaction', async () => {
    const socket = await open();
    await stack.replica.query('select pg_wal_replay_pause()');
    const { body } = await startUnit(stack.api, { obs_unit_id: 36 });
    socket.send({ type: 'subscribe', channel: `transactions.${String(body.transaction_id)}` });
    await eventually(() => expect(ofType(socket, 'snapshot')).toHaveLength(1));
    await stack.replica.query('select pg_wal_replay_resume()');
    await eventually(() =>
      expect(ofType(socket, 'update').at(-1)?.data).toMatchObject({ state: 'replicated' }),
    );
  });

  it('buffer sends the same report as GET /api/buffer', async () => {
    const socket = await open();
    socket.send({ type: 'subscribe', channel: 'buffer' });
    await eventually(() => expect(ofType(socket, 'snapshot')).toHaveLength(1));
    const { body } = await stack.api('/api/buffer');
    expect(Object.keys(ofType(socket, 'snapshot')[0]?.data as object)).toEqual(Object.keys(body));
    const isRelayed = { waiting_since: null, held_since: null };
    await eventually(async () => {
      expect((await stack.api('/api/buffer')).body.change_feed).toEqual(isRelayed);
      expect((await stack.api('/health')).body.change_feed).toEqual(isRelayed);
    });
    stack.link.set({ up: false });
    await startUnit(stack.api, { obs_unit_id: 37 });
    await eventually(() => expect(ofType(socket, 'update').at(-1)?.data).toMatchObject({ size: 1 }));
    stack.link.set({ up: true });
    await eventually(() => expect(ofType(socket, 'update').at(-1)?.data).toMatchObject({ size: 0 }), {
      timeoutMs: 20_000,
    });
    const positions = read(socket).map(({ position }) => position);
    expect(new Set(positions).size).toBe(positions.length);
  });

  it('several subscriptions share a socket and end separately', async () => {
    const socket = await open();
    for (const channel of ['transfer.overview', 'executed_obs_units'])
      socket.send({ type: 'subscribe', channel });
    await eventually(() => expect(ofType(socket, 'snapshot')).toHaveLength(2));
    socket.send({ type: 'unsubscribe', channel: 'executed_obs_units' });
    await eventually(() => expect(ofType(socket, 'unsubscribed')).toHaveLength(1));
    const other = await open();
    other.send({ type: 'subscribe', channel: 'executed_obs_units' });
    await eventually(() => expect(ofType(other, 'snapshot')).toHaveLength(1));
    await startUnit(stack.api, { obs_unit_id: 38 });
    await eventually(() => expect(ofType(other, 'update').length).toBeGreaterThan(0));
    expect(ofType(socket, 'update')).toEqual([]);
  });
});

describe('a socket', () => {
  it.each([
    ['not json', 'bad_message'],
    ['{"type":"dance"}', 'bad_message'],
    ['{"type":"subscribe","channel":"nothing"}', 'unknown_channel'],
    ['{"type":"subscribe","channel":"executed_obs_units?obs_unit_id=0"}', 'unknown_channel'],
    [`{"type":"ping","id":"${'x'.repeat(5000)}"}`, 'too_large'],
  ])('answers %s with error %s', async (text, code) => {
    const socket = await open();
    socket.sendText(text);
    await eventually(() => expect(read(socket)).toMatchObject([{ type: 'error', code }]));
  });

  it('refuses more subscriptions than the limit', async () => {
    const socket = await open();
    const codes = () => ofType(socket, 'error').map(({ code }) => code);
    for (let n = 1; n <= 21; n += 1) {
      const channel = `executed_obs_units?obs_unit_id=${n}`;
      await eventually(
        () => {
          socket.send({ type: 'subscribe', channel });
          const answered = ofType(socket, 'snapshot').some((each) => each.channel === channel);
          expect(answered || codes().includes('too_many_subscriptions')).toBe(true);
        },
        { everyMs: 100 },
      );
    }
    expect(new Set(ofType(socket, 'snapshot').map(({ channel }) => channel)).size).toBe(20);
    expect(codes()).toContain('too_many_subscriptions');
  });

  it('refuses more messages than the limit', async () => {
    const socket = await open();
    for (let n = 0; n < 60; n += 1) socket.send({ type: 'ping', id: n });
    await eventually(() =>
      expect(ofType(socket, 'error').map(({ code }) => code)).toContain('too_many_messages'),
    );
  });

  it('answers in the order of the requests', async () => {
    const socket = await open();
    for (let n = 0; n < 15; n += 1) {
      if (n % 5 === 4) socket.sendText(`not json ${n}`);
      else socket.send({ type: 'ping', id: n });
    }
    const expected = Array.from({ length: 15 }, (_, n) => (n % 5 === 4 ? 'error' : n));
    await eventually(() => {
      const replies = read(socket).map((each) =>
        each.type === 'pong' ? (each as { id?: number }).id : each.type,
      );
      expect(replies).toEqual(expected);
    });
  });

  it('answers a ping with its id', async () => {
    const socket = await open();
    socket.send({ type: 'ping', id: 7 });
    await eventually(() => expect(read(socket)).toEqual([{ type: 'pong', id: 7 }]));
  });
});
