/**
 * Every accepted body gets an outcome at main, and every read at every state returns the values that were sent.
 */
import { randomUUID } from 'node:crypto';
import { fc, times } from '../support/property.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { applyByHand, confirmByHand, settleByHand } from '../support/by-hand.ts';
import { eventually } from '../support/eventually.ts';
import { exactJson, member } from '../support/exact-json.ts';
import { connectPlainSocket, type TestSocket } from '../support/test-socket.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';
import { arbitraryBody, type ArbitraryBody } from './arbitrary-bodies.ts';
import { instantText, isStorable } from './arbitrary-instants.ts';

let stack: TestStack;
let socket: TestSocket;
/** checked messages about records */
let checkedMessages = 0;

/** A planned unit that main does not have: a start of it waits. */
const unknownUnit = 5_000;
/** A planned unit whose starts main refuses as data. */
const failingUnit = 299;

beforeAll(async () => {
  stack = await startTestStack({ settings: { ANSWER_BUDGET_MS: 'always' } });
  await stack.main.query(
    `alter table executed_obs_unit add constraint refused_by_test check (obs_unit_id <> ${failingUnit})`,
  );
  const { body } = await stack.api('/api/ws/ticket', {
    method: 'POST',
    token: stack.description.tokens.viewer,
  });
  socket = await connectPlainSocket(stack.description.websocket, String(body.ticket));
  socket.send({ type: 'subscribe', channel: 'executed_obs_units' });
  await eventually(() => expect(socket.messages.join()).toContain('"snapshot"'));
  await stack.quiesce();
});
afterAll(async () => {
  socket.close();
  await stack.stop();
});

interface Started {
  readonly id: string;
  readonly unit: number;
  readonly sent: ArbitraryBody;
  readonly start: string;
  /** its finish, if one was accepted */
  finish?: { readonly sent: ArbitraryBody; readonly end: string };
}

it('every accepted body gets an outcome at main and reads with the same content at every state', async () => {
  let [accepted, tried] = [0, 0];
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryBody, { minLength: 1, maxLength: 12 }), async (bodies) => {
      const started: Started[] = [];
      for (const [index, body] of bodies.entries()) {
        const made = await start(body, [7, 8, unknownUnit, failingUnit][index % 4] ?? 7);
        if (!made) continue;
        started.push(made);
        // finish every other one with the body of the next
        const next = bodies[index + 1];
        if (index % 2 === 1 && next) await finish(made, next);
      }
      accepted += started.length;
      tried += bodies.length;
      await everyState(started);
    }),
    times(8),
  );
  expect(accepted, 'accepted bodies').toBeGreaterThan(tried / 3);
  expect(checkedMessages, 'live messages').toBeGreaterThan(accepted);
});

/** @returns undefined if the start was refused with `400` */
async function start(sent: ArbitraryBody, unit: number): Promise<Started | undefined> {
  const id = randomUUID();
  const rest = {
    obs_unit_id: unit,
    id,
    ...(sent.start && { start_time: sent.start.text }),
    instrument_module_ids: sent.modules,
  };
  const text = `${JSON.stringify(rest).slice(0, -1)},"metadata":${sent.metadata}}`;
  const { status, body } = await stack.api('/executed_obs_units/start', { method: 'POST', text });
  if (sent.start && !isStorable(sent.start)) {
    expect(status, text).toBe(400);
    return undefined;
  }
  if (status === 400) {
    expect(body, text).toMatchObject({ recorded: false });
    return undefined;
  }
  expect(status, text).toBe(201);
  return { id, unit, sent, start: String(body.start_time) };
}

async function finish(started: Started, sent: ArbitraryBody): Promise<void> {
  const { start: end, metadata } = sent;
  const text = `{${end ? `"end_time":${JSON.stringify(end.text)},` : ''}"metadata":${metadata}}`;
  const path = `/executed_obs_units/${started.id}/finish`;
  const { status, body } = await stack.api(path, { method: 'PUT', text });
  const isTooEarly = end && isStorable(end) && instantText(end.microseconds) < started.start;
  if (end && (!isStorable(end) || isTooEarly)) expect(status, text).toBe(400);
  if (status === 400) return;
  expect(status, `${text}: ${JSON.stringify(body)}`).toBe(200);
  started.finish = { sent, end: String(body.end_time) };
}

async function everyState(started: readonly Started[]): Promise<void> {
  await checkReads(started, () => 'buffered');
  // with one that succeeds, failures count against their transactions
  await stack.api('/executed_obs_units/start', { method: 'POST', body: { obs_unit_id: 9 } });
  await stack.replica.query('select pg_wal_replay_pause()');
  try {
    await applyByHand(stack);
    await checkReads(started, ({ unit }) =>
      unit < failingUnit ? 'committed' : unit === failingUnit ? 'failed' : 'buffered',
    );
  } finally {
    await stack.replica.query('select pg_wal_replay_resume()');
  }
  await settleByHand(stack);
  await checkReads(started, ({ unit }) =>
    unit < failingUnit ? 'replicated' : unit === failingUnit ? 'failed' : 'buffered',
  );
  await confirmByHand(stack);
  const { rows } = await stack.main.query<{ id: string }>(
    "select id from executed_obs_unit where id = any ($1) union select unnest(record_ids) from inbox where outcome = 'parked'",
    [started.map(({ id }) => id)],
  );
  const recorded = new Set(rows.map(({ id }) => id));
  expect(started.filter(({ id }) => !recorded.has(id))).toEqual([]);
  checkedMessages += checkMessages(started);
}

async function checkReads(started: readonly Started[], state: (each: Started) => string): Promise<void> {
  const pages = new Map<number, unknown[]>();
  for (const each of started) {
    const one = exactJson(await read(`/executed_obs_units/${each.id}`));
    checkContent(each, one);
    expect(member(member(one, 'sync'), 'state'), each.sent.metadata).toBe(state(each));
    const page = pages.get(each.unit) ?? (exactJson(await listed(each.unit)) as unknown[]);
    pages.set(each.unit, page);
    const found = page.filter((record) => member(record, 'id') === each.id);
    expect(found, `entries in the list of unit ${each.unit}`).toHaveLength(1);
    checkContent(each, found[0]);
  }
}

/** @param isWhole false: the finish may be missing yet */
function checkContent({ sent, start, unit, finish: ended }: Started, record: unknown, isWhole = true): void {
  const isFinished = ended !== undefined && (isWhole || member(record, 'status') === 'completed');
  const metadata = entries(sent.metadata);
  if (isFinished) for (const [key, value] of entries(ended.sent.metadata)) metadata.set(key, value);
  expect(entriesOf(member(record, 'metadata')), sent.metadata).toEqual(metadata);
  expect(member(record, 'status')).toBe(isFinished ? 'completed' : 'running');
  const end = ended?.sent.start ? instantText(ended.sent.start.microseconds) : ended?.end;
  expect(member(record, 'end_time')).toBe(isFinished ? end : null);
  expect(member(record, 'start_time')).toBe(sent.start ? instantText(sent.start.microseconds) : start);
  expect(member(record, 'obs_unit_id')).toEqual(exactJson(String(unit)));
  expect(member(record, 'instrument_module_ids')).toEqual(exactJson(JSON.stringify(sent.modules)));
}

const entriesOf = (exact: unknown) => new Map((exact as { entries: [string, unknown][] }).entries);
const entries = (text: string) => entriesOf(exactJson(text));

async function read(path: string): Promise<string> {
  const { http, tokens } = stack.description;
  const response = await fetch(http + path, { headers: { Authorization: `Bearer ${tokens.service}` } });
  const text = await response.text();
  expect(response.status, `${path}: ${text.slice(0, 500)}`).toBe(200);
  return text;
}

/** All records of a planned unit, page by page, as one JSON array. */
async function listed(unit: number): Promise<string> {
  const { http, tokens } = stack.description;
  const records: string[] = [];
  let path: string | undefined = `/executed_obs_units?obs_unit_id=${unit}&limit=1000`;
  while (path !== undefined) {
    const response: Response = await fetch(http + path, {
      headers: { Authorization: `Bearer ${tokens.service}` },
    });
    const text = await response.text();
    expect(response.status, text.slice(0, 500)).toBe(200);
    records.push(text.trim().slice(1, -1));
    path = /<([^>]*)>; rel="next"/.exec(response.headers.get('Link') ?? '')?.[1];
  }
  return `[${records.filter((each) => each !== '').join(',')}]`;
}

/** Checks the content of every live message about the records. */
function checkMessages(started: readonly Started[]): number {
  let count = 0;
  const byId = new Map(started.map((each) => [each.id, each]));
  for (const text of socket.messages) {
    const message = exactJson(text);
    if (member(message, 'type') !== 'update') continue;
    const data = member(message, 'data');
    const each = byId.get(String(data && member(data, 'id')));
    if (!each) continue;
    checkContent(each, data, false);
    count += 1;
  }
  return count;
}
