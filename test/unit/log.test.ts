import { expect, it } from 'vitest';
import { createLog } from '../../lib/observability/log.ts';

it('writes one line of JSON per message, from its level on, without credentials', () => {
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

it('child writes what its parent writes, and its own context in each line', () => {
  const lines: string[] = [];
  const log = createLog('warn', { function: 'test' }, (line) => lines.push(line));
  const child = log.child({ request_id: 'r-1' }).child({ message_ids: ['m-1'] });
  child.info('silent');
  child.warn('failed', { transaction: 't-1' });
  log.warn('of no request');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    {
      ...{ level: 'warn', message: 'failed', function: 'test' },
      ...{ request_id: 'r-1', message_ids: ['m-1'], transaction: 't-1' },
    },
    { level: 'warn', message: 'of no request', function: 'test' },
  ]);
});
