import type { Context } from 'aws-lambda';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { traced } from '../../lib/function/traced.ts';
import { currentIds, withIds } from '../../lib/observability/ids.ts';
import { createLog } from '../../lib/observability/log.ts';

it('log writes one JSON line per message at or above its level, without credentials', () => {
  const lines: string[] = [];
  const log = createLog('info', { function: 'test' }, (line) => lines.push(line));
  log.debug('silent');
  log.warn('failed', {
    header: 'Bearer abc.def.ghi',
    token: 'ops_1_AbCdEf0123456789AbCdEf0123456789abcd',
    jwt: 'eyJhbGciOi.eyJzdWIiOi.c2ln',
    url: 'wss://host/path?ticket=secret&x=1',
    back: '/github/callback?code=secret1&state=secret2',
    command: 'command was: ["set","k","{\\"verifier\\":\\"secret5\\",\\"x\\":1}"]',
    body: '{"code_verifier":"secret6"}',
    cookie: '__Host-ops_refresh=secret3.secret4; Path=/',
    database: 'postgres://user:secret@host/db',
    error: new Error('at postgres://user:secret@host'),
  });
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'warn', message: 'failed', function: 'test' });
  expect(lines[0]).not.toMatch(/secret|AbCdEf|eyJ|abc\.def/);
  expect(lines[0]).toContain('x=1');
  expect(lines[0]).toContain('Path=/');
});

it('log adds the ids of its own invocation to each line', async () => {
  const lines: string[] = [];
  const log = createLog('warn', { function: 'test' }, (line) => lines.push(line));
  const work = async (name: string) => {
    await setImmediate();
    log.warn(name, { transaction: 't-1' });
  };
  await Promise.all([
    withIds({ request_id: 'r-1' }, () => work('first')),
    withIds({ request_id: 'r-2', message_ids: ['m-1'] }, () => work('second')),
    work('outside'),
  ]);
  const base = { level: 'warn', function: 'test', transaction: 't-1' };
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
    expect.arrayContaining([
      { ...base, message: 'first', request_id: 'r-1' },
      { ...base, message: 'second', request_id: 'r-2', message_ids: ['m-1'] },
      { ...base, message: 'outside' },
    ]),
  );
});

it.each([
  [
    { requestContext: { requestId: 'r-1', connectionId: 'c-1' } },
    { request_id: 'r-1', connection_id: 'c-1' },
  ],
  [
    { Records: [{ messageId: 'm-1' }, { messageId: 'm-2' }] },
    { request_id: 'l-1', message_ids: ['m-1', 'm-2'] },
  ],
  [undefined, { request_id: 'l-1' }],
])('traced sets the ids of the event %j', async (event, ids) => {
  const handler = traced(async () => currentIds());
  expect(await handler(event, { awsRequestId: 'l-1' } as Context)).toEqual(ids);
});
