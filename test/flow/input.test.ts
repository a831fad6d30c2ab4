/** Accepted values come back as they were sent, at every state; values that a store cannot hold are refused without a trace. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settleByHand } from '../support/by-hand.ts';
import { finishUnit, startTestStack, startUnit, type Reply, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
  // stop all background work, so that each state can be observed
  await stack.quiesce();
});
afterAll(() => stack.stop());

const start = (text: string, key?: string) =>
  stack.api('/executed_obs_units/start', { method: 'POST', text, ...(key !== undefined && { key }) });
const path = (id: unknown) => `/executed_obs_units/${String(id)}`;

/** The text of the answer: `JSON.parse` would round its numbers. */
async function raw(
  url: string,
  init: { method?: string; body?: string | Uint8Array<ArrayBuffer> } = {},
): Promise<string> {
  const response = await fetch(stack.description.http + url, {
    ...init,
    headers: {
      Authorization: `Bearer ${stack.description.tokens.service}`,
      'Content-Type': 'application/json',
    },
  });
  return response.text();
}

function refused({ status, body }: Reply): Reply['body'] {
  expect({ status, body }).toMatchObject({
    status: 400,
    body: { recorded: false, code: expect.any(String) as string, request_id: expect.any(String) as string },
  });
  expect(body.type).toBe(`/problems/${String(body.code)}`);
  return body;
}

describe('an accepted observation', () => {
  const metadata =
    '{"big":5853498713190525696,"odd":123456789012345678,"long":0.1234567890123456789,"tiny":0.0000001,"scale":1.50,"none":null}';

  it('keeps its digits, microseconds and night at every state', async () => {
    const sent = metadata.replace('0.0000001', '1e-07');
    const time = '2026-10-02T11:59:59.000400Z';
    const text = `{"obs_unit_id":7,"start_time":"${time}","metadata":${sent}}`;
    const answer = await raw('/executed_obs_units/start', { method: 'POST', body: text });
    const { id } = JSON.parse(answer) as { id: string };
    const shown = async () => {
      const [one, list] = [await raw(path(id)), await raw('/executed_obs_units?day_obs=20261001')];
      for (const text of [one, list]) {
        // jsonb sorts keys, by length first
        for (const member of metadata.slice(1, -1).split(',')) expect(text).toContain(member);
        expect(text).toContain(`"start_time":"${time}"`);
        expect(text).toContain('"day_obs":20261001');
      }
      return (JSON.parse(one) as { sync: { state: string } }).sync.state;
    };
    expect(answer).toContain(metadata);
    expect(await shown()).toBe('buffered');
    await settleByHand(stack);
    expect(await shown()).toBe('replicated');
    await raw(`${path(id)}/finish`, { method: 'PUT', body: '{"metadata":{"more":9007199254740993}}' });
    expect(await raw(path(id))).toContain('"more":9007199254740993');
    await settleByHand(stack);
    expect(await shown()).toBe('replicated');
    expect(await raw(path(id))).toContain('"more":9007199254740993');
  });

  it('marks a leap second at every state', async () => {
    const { body } = await start('{"obs_unit_id":7,"start_time":"2016-12-31T23:59:60Z"}');
    const leap = { start_time: '2017-01-01T00:00:00.000000Z', leap_second: true, day_obs: 20161231 };
    expect(body).toMatchObject(leap);
    expect((await stack.api(path(body.id))).body).toMatchObject(leap);
    await settleByHand(stack);
    expect((await stack.api(path(body.id))).body).toMatchObject(leap);
    const { body: other } = await startUnit(stack.api);
    expect(other).not.toHaveProperty('leap_second');
  });

  it('may start at the first and the last valid instant', async () => {
    for (const time of ['0001-01-01T00:00:00.000000Z', '9999-12-31T23:59:59.999999Z']) {
      const { status, body } = await startUnit(stack.api, { obs_unit_id: 8, start_time: time });
      expect(status).toBe(201);
      await settleByHand(stack);
      expect((await stack.api(path(body.id))).body).toMatchObject({
        start_time: time,
        sync: { state: 'replicated' },
      });
    }
  });

  it('is not duplicated by a repeat in another spelling', async () => {
    const first = await start('{"obs_unit_id":9,"start_time":"2026-10-05T03:00:00Z"}', 'spelled');
    await settleByHand(stack);
    const again = await start('{"start_time":"2026-10-05T00:00:00-03:00","obs_unit_id":9.0}', 'spelled');
    // the answer to a repeat does not say which store answered the first time
    expect(again).toMatchObject({ status: 201, body: { ...first.body, sync: { state: 'buffered' } } });
    expect(again.headers.get('sync-state')).toBe('replicated');
    expect((await stack.api('/executed_obs_units/9')).body).toHaveLength(1);
  });
});

describe('a request is refused for', () => {
  it.each([
    '9999-12-31T23:59:59-04:00',
    '0001-01-01T00:00:00+01:00',
    '0000-01-01T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-10-01T00:00:00.0000001Z',
  ])('a time that main cannot hold: %s', async (time) => {
    refused(await startUnit(stack.api, { obs_unit_id: 7, start_time: time }));
    const { body } = await startUnit(stack.api);
    refused(await finishUnit(stack.api, body.id, { end_time: time }));
    const query = new URLSearchParams({ started_after: time }).toString();
    expect((await stack.api(`/executed_obs_units?${query}`)).status).toBe(400);
  });

  it.each([
    ['repeated keys', '{"obs_unit_id":7,"metadata":{"a":1,"a":2}}', 'metadata.a'],
    ['__proto__', '{"obs_unit_id":7,"metadata":{"__proto__":{"x":1}}}', 'metadata.__proto__'],
    ['a number without bound', '{"obs_unit_id":7,"metadata":{"n":1e9999}}', 'metadata.n'],
    ['a noncharacter', '{"obs_unit_id":7,"metadata":{"t":"\uffff"}}', 'metadata.t'],
  ])('%s, by its path', async (_what, text, at) => {
    expect(refused(await start(text)).errors).toMatchObject([{ path: at }]);
  });

  it('a body that is not UTF-8', async () => {
    const body = Buffer.from('{"obs_unit_id":7,"metadata":{"observer":"José"}}', 'latin1');
    const answer = await raw('/executed_obs_units/start', { method: 'POST', body });
    expect(JSON.parse(answer)).toMatchObject({ status: 400, code: 'invalid-json', recorded: false });
  });

  it('a body whose numbers exceed the limit when written out', async () => {
    const numbers = Array.from({ length: 9000 }, () => '1e200').join(',');
    const reply = await start(`{"obs_unit_id":7,"metadata":{"n":[${numbers}]}}`);
    expect(reply).toMatchObject({ status: 413, body: { recorded: false, code: 'body-too-large' } });
  });

  it('an end before the start', async () => {
    const { body } = await startUnit(stack.api, { obs_unit_id: 7, start_time: '2026-10-01T05:00:00Z' });
    refused(await finishUnit(stack.api, body.id, { end_time: '2026-10-01T04:59:59.999999Z' }));
    expect((await finishUnit(stack.api, body.id)).status).toBe(200);
  });

  it('a query parameter on a write', async () => {
    const url = '/executed_obs_units/start?dry_run=true';
    refused(await stack.api(url, { method: 'POST', body: { obs_unit_id: 7 } }));
    const unauthenticated = await stack.api(url, { method: 'POST', text: '{', token: null });
    expect(unauthenticated.status).toBe(401);
  });

  it.each([
    'status=running&status=failed',
    'program=a,b',
    'day_obs=2026-13-45',
    'day_obs=2026-02-31',
    'day_obs=0000-01-01',
  ])('%s', async (query) => {
    expect((await stack.api(`/executed_obs_units?${query}`)).status).toBe(400);
  });
});

it.each(['day_obs=00010101', 'day_obs=9999-12-31', 'started_before=0001-01-01T00:00:00Z'])(
  'a list without observations is empty: %s',
  async (query) => {
    const { status, body } = await stack.api(`/executed_obs_units?obs_unit_id=300&${query}`);
    expect({ status, body }).toEqual({ status: 200, body: [] });
  },
);
