/** Transactions that main cannot apply: listed, retried and discarded by admins. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tokenIssuer } from '../../infra/local/demo-credentials.ts';
import { signAccessToken } from '../../lib/credentials/access-token.ts';
import { eventually } from '../support/eventually.ts';
import { finishUnit, startTestStack, startUnit, type Reply, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;
let admin: string;

beforeAll(async () => {
  stack = await startTestStack({ settings: { START_WAIT_SECONDS: '1' } });
  admin = stack.description.tokens.admin;
});
afterAll(() => stack.stop());

type Status = Readonly<Record<string, unknown>> & { readonly transaction_id: string };

const list = async (query: string) => stack.api(`/api/transactions?${query}`);
const listed = async (state: string) =>
  ((await list(`state=${state}`)).body as unknown as Status[]).map((each) => each.transaction_id);
const status = async (id: unknown) => (await stack.api(`/api/transactions/${String(id)}`)).body;
const decide = (
  id: unknown,
  action: 'retry' | 'discard',
  body?: object,
  token = admin,
  key?: string,
): Promise<Reply> =>
  stack.api(`/api/transactions/${String(id)}/${action}`, {
    method: 'POST',
    token,
    ...(body && { body }),
    ...(key && { key }),
  });

async function failedStart(obsUnitId: number) {
  const started = await startUnit(stack.api, { obs_unit_id: obsUnitId });
  const finished = await finishUnit(stack.api, started.body.id);
  const [startId, finishId] = [started.body.transaction_id, finished.body.transaction_id];
  await eventually(async () => {
    expect(await status(startId)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining(String(obsUnitId)) as string,
    });
    expect(await status(finishId)).toMatchObject({ state: 'waiting' });
  });
  return { id: started.body.id, startId: String(startId), finishId: String(finishId) };
}

it('a failed start and its waiting finish are listed, and applied in order once the planned unit exists', async () => {
  const { id, startId, finishId } = await failedStart(700_001);
  expect(await listed('failed')).toContain(startId);
  expect(await listed('waiting')).toContain(finishId);

  const before = Number((await status(startId)).attempts);
  expect((await decide(startId, 'retry')).status).toBe(202);
  await eventually(async () => expect((await status(startId)).attempts).toBe(before + 1));
  expect((await status(startId)).state).toBe('failed');

  await stack.main.query(
    `insert into obs_unit (id, observing_program_id, source_id, instrument_id, name) values (700001, 1, 1, 1, 'late')`,
  );
  // any call at main applies transactions whose reference exists now
  await startUnit(stack.api);
  await eventually(async () => {
    expect(await status(startId)).toMatchObject({ state: 'replicated' });
    expect(await status(finishId)).toMatchObject({ state: 'replicated' });
  });
  expect((await stack.api(`/executed_obs_units/${String(id)}`)).body).toMatchObject({
    status: 'completed',
    sync: { state: 'replicated' },
  });
  expect(await listed('failed')).not.toContain(startId);
});

it('a discarded start stays visible with its reason, and its finish is judged without it', async () => {
  const { startId, finishId } = await failedStart(700_002);
  const discarded = await decide(startId, 'discard', { reason: 'a test of the dome' });
  expect(discarded.status).toBe(202);
  await eventually(async () => {
    expect(await status(startId)).toMatchObject({ state: 'discarded', reason: 'a test of the dome' });
    expect(await status(finishId)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('discarded') as string,
    });
  });
  expect((await decide(startId, 'discard', { reason: 'again' })).status).toBe(202);
  expect((await decide(startId, 'retry')).status).toBe(409);
  const audit = await stack.main.query(
    'select action, principal, reason from transaction_audit where transaction_id = $1',
    [startId],
  );
  expect(audit.rows).toEqual([{ action: 'discard', principal: '2', reason: 'a test of the dome' }]);
});

it('the audit keeps who decided first and when, however late main executes the decision', async () => {
  const { startId } = await failedStart(700_005);
  const { privateKey } = stack.secrets;
  const now = Math.floor(Date.now() / 1000);
  const other = await signAccessToken(
    privateKey,
    tokenIssuer,
    { id: '20', name: 'another admin', role: 'admin', sessionId: randomUUID() },
    { issuedAt: now, expiresAt: now + 600, id: randomUUID() },
  );
  const events = async () => {
    const { body } = await stack.api('/api/audit', { token: admin });
    return (body as unknown as Record<string, unknown>[]).filter(({ subject }) => subject === startId);
  };
  stack.link.set({ up: false });
  expect((await decide(startId, 'discard', { reason: 'clouds' })).status).toBe(202);
  const first = await events();
  expect(first).toMatchObject([
    { principal: '2', action: 'transaction.discard', detail: { reason: 'clouds' } },
  ]);
  expect((await decide(startId, 'discard', { reason: 'mine' }, other)).status).toBe(202);
  expect(await events()).toEqual(first);
  stack.link.set({ up: true });
  await eventually(async () => expect(await status(startId)).toMatchObject({ state: 'discarded' }), {
    timeoutMs: 30_000,
  });
  await stack.redisClient.del(stack.keys.recentAudit);
  await eventually(async () => expect(await events()).toEqual(first));
});

it('a retry repeated under one key is executed once', async () => {
  const { startId } = await failedStart(700_003);
  const before = Number((await status(startId)).attempts);
  await Promise.all([1, 2, 3].map(() => decide(startId, 'retry', undefined, admin, 'the same try')));
  await eventually(async () => expect((await status(startId)).attempts).toBe(before + 1));
  const audit = await stack.main.query('select from transaction_audit where transaction_id = $1', [startId]);
  expect(audit.rowCount).toBe(1);
});

it('pages of transactions list each once, newest first', async () => {
  const starts = await Promise.all(
    Array.from({ length: 7 }, (_, n) => startUnit(stack.api, { obs_unit_id: 710_000 + n })),
  );
  const expected = starts.map(({ body }) => String(body.transaction_id));
  await eventually(async () => expect(await listed('failed')).toEqual(expect.arrayContaining(expected)));
  const all = await listed('failed');
  const seen: string[] = [];
  for (let query: string | undefined = 'state=failed&limit=3'; query !== undefined;) {
    const page = await list(query);
    const items = page.body as unknown as Status[];
    expect(items.length).toBeLessThanOrEqual(3);
    seen.push(...items.map((each) => each.transaction_id));
    query = /<[^?]*\?([^>]*)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1];
  }
  expect(seen).toEqual(all);
});

it('the buffer report shows buffered transactions and an unreachable main', async () => {
  stack.link.set({ up: false });
  const started = await startUnit(stack.api);
  expect(await listed('buffered')).toContain(started.body.transaction_id);
  const { status: code, body } = await stack.api('/api/buffer');
  expect(code).toBe(200);
  expect(body).toMatchObject({ size: 1, failed: expect.any(Number) as number, main: { in_reach: true } });
  expect(Object.keys(body)).toEqual([
    'size',
    'awaiting_replication',
    'bytes',
    'oldest_age_seconds',
    'drained_per_second',
    'failed',
    'change_feed',
    'main',
    'replicas',
  ]);
  await eventually(
    async () => expect((await stack.api('/api/buffer')).body).toMatchObject({ main: { in_reach: false } }),
    { timeoutMs: 30_000 },
  );
  stack.link.set({ up: true });
  await eventually(
    async () =>
      expect((await stack.api('/api/buffer')).body).toMatchObject({
        size: 0,
        oldest_age_seconds: null,
        main: { in_reach: true },
        replicas: [{ name: 'site', answers: true, streaming: true, lag_bytes: 0 }],
      }),
    { timeoutMs: 30_000 },
  );
});

it('a decision is refused without permission, or about a transaction that is not set aside', async () => {
  const { startId } = await failedStart(700_004);
  const { service, viewer } = stack.description.tokens;
  for (const token of [service, viewer])
    expect((await decide(startId, 'retry', undefined, token)).status).toBe(403);
  expect((await decide(startId, 'discard', {})).status).toBe(400);
  expect((await decide('0190b8f0-0000-7000-8000-00000000dead', 'retry')).status).toBe(404);
  expect((await decide('no-uuid', 'retry')).status).toBe(400);
  const applied = await startUnit(stack.api);
  await eventually(async () =>
    expect(await status(applied.body.transaction_id)).toMatchObject({ state: 'replicated' }),
  );
  expect(await decide(applied.body.transaction_id, 'discard', { reason: 'x' })).toMatchObject({
    status: 409,
    body: { recorded: false },
  });
  for (const query of [
    '',
    'state=other',
    'state=failed&limit=0',
    'state=failed&limit=1001',
    'state=failed&cursor=x',
  ]) {
    expect((await list(query)).status).toBe(400);
  }
});

it('a discard of a transaction that main has not seen is shown as requested until main executes it', async () => {
  const started = await startUnit(stack.api);
  await eventually(async () =>
    expect(await status(started.body.transaction_id)).toMatchObject({ state: 'replicated' }),
  );
  stack.link.set({ up: false });
  const wrong = await finishUnit(stack.api, started.body.id, { status: 'aborted' }, 'a wrong finish');
  const id = wrong.body.transaction_id;
  expect((await decide(id, 'retry')).status).toBe(409);
  const asked = await decide(id, 'discard', { reason: 'it continued' });
  expect(asked).toMatchObject({ status: 202, body: { state: 'buffered', discard: 'requested' } });
  expect(await status(id)).toMatchObject({ state: 'buffered', discard: 'requested' });
  const unit = () => stack.api(`/executed_obs_units/${String(started.body.id)}`);
  expect((await unit()).body).toMatchObject({ status: 'aborted' });
  stack.link.set({ up: true });
  // a call in flight when the link was cut may have applied the finish: then main refuses the discard
  await eventually(async () => expect(await status(id)).not.toHaveProperty('discard'), { timeoutMs: 30_000 });
});
