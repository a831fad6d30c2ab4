import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { finishUnit, startTestStack, startUnit, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.stop());

const read = async (id: unknown) => (await stack.api(`/executed_obs_units/${String(id)}`)).body;
const transaction = async (id: unknown) => (await stack.api(`/api/transactions/${String(id)}`)).body;
const atReplica = async (id: unknown) =>
  (await stack.replica.query<{ status: string }>('select status from executed_obs_unit where id = $1', [id]))
    .rows[0]?.status;

it('an observation passes through every state from start to replication', async () => {
  const { api, link, main, replica, redisClient, keys } = stack;

  // 1 start: buffered while the link is cut
  link.set({ up: false });
  const started = await startUnit(api, { obs_unit_id: 123, metadata: { patch: 'Jupiter' } });
  const { id, transaction_id: startId } = started.body;
  expect(started.status).toBe(201);
  expect(started.headers.get('location')).toBe(`/executed_obs_units/${String(id)}`);
  expect(started.body).toMatchObject({ obs_unit_id: 123, status: 'running', sync: { state: 'buffered' } });

  // 2 a read shows it at once, although no database has it
  expect(await read(id)).toMatchObject({ status: 'running', sync: { state: 'buffered' } });
  expect(await read(123)).toMatchObject([{ id, status: 'running' }]);
  expect(await atReplica(id)).toBeUndefined();

  // 3 finish: buffered
  const finished = await finishUnit(api, id, { metadata: { note: 'clear' } });
  const { transaction_id: finishId } = finished.body;
  expect(finished.status).toBe(200);
  expect(finished.body).toMatchObject({ id, obs_unit_id: 123, status: 'completed' });

  // 4 a read shows it finished
  const expected = { id, status: 'completed', metadata: { patch: 'Jupiter', note: 'clear' } };
  expect(await read(id)).toMatchObject({ ...expected, sync: { state: 'buffered' } });
  expect(await transaction(startId)).toMatchObject({ state: 'buffered', record_ids: [id] });

  // 5 both are executed at main; the replica does not replay yet
  await replica.query('select pg_wal_replay_pause()');
  link.set({ up: true });
  await eventually(async () => {
    expect(await transaction(finishId)).toMatchObject({ state: 'committed', attempts: 1 });
    expect(await transaction(startId)).toMatchObject({ state: 'committed', attempts: 1 });
  });
  const onMain = await main.query('select status from executed_obs_unit where id = $1', [id]);
  expect(onMain.rows).toEqual([{ status: 'completed' }]);

  // 6 the site has the commit's LSN but not yet its effect
  const committed = await read(id);
  expect(committed).toMatchObject({ ...expected, sync: { state: 'committed' } });
  expect((committed.sync as { lsn: string }).lsn).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
  expect(await atReplica(id)).toBeUndefined();

  // 7 the replica has rows and inbox rows: replicated, although the buffer still has its entries
  await replica.query('select pg_wal_replay_resume()');
  await eventually(async () => expect(await atReplica(id)).toBe('completed'));
  expect((await read(id)).sync).toMatchObject({ state: 'replicated' });

  // 8 the check finds the inbox rows and cleans the buffer
  await eventually(async () => {
    expect(await redisClient.exists(keys.overlay(String(id)))).toBe(0);
    expect(await redisClient.zcard(keys.committed)).toBe(0);
  });
  expect(await transaction(finishId)).toMatchObject({
    state: 'replicated',
    history: [{ state: 'buffered' }, { state: 'committed' }, { state: 'replicated' }],
  });

  // 9 from then on reads come from the replica alone
  expect(await read(id)).toMatchObject({ ...expected, sync: { state: 'replicated' } });
  expect((await read(id)).sync).toEqual({ state: 'replicated' });
  await main.query(`update executed_obs_unit set metadata = '{"by": "hand"}' where id = $1`, [id]);
  await eventually(async () => expect(await read(id)).toMatchObject({ metadata: { by: 'hand' } }));
});

it('the transfer overview answers from the replica', async () => {
  const { api, description } = stack;
  const { status, body } = await api('/api/transfer/overview', { token: description.tokens.viewer });
  expect(status).toBe(200);
  expect(Object.keys(body)).toEqual(['total_packages', 'active_transfers', 'packages', 'transfers']);
  const counts = body.transfers as Record<string, number>;
  expect(Object.keys(counts)).toEqual(['pending', 'scheduled', 'in_progress', 'completed', 'failed']);
  expect(Object.values(counts).reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(20);
});

it('health is healthy, and degraded while main is cut', async () => {
  const { api, link } = stack;
  const health = () => api('/health', { token: null });
  expect(await health()).toMatchObject({
    status: 200,
    body: { status: 'healthy', transaction_buffer: { size: 0, failed: 0 } },
  });
  link.set({ up: false });
  await startUnit(api);
  await eventually(
    async () =>
      expect(await health()).toMatchObject({
        status: 200,
        body: { status: 'degraded', transaction_buffer: { size: 1 } },
      }),
    { timeoutMs: 30_000 },
  );
  link.set({ up: true });
  await eventually(
    async () =>
      expect(await health()).toMatchObject({ body: { status: 'healthy', transaction_buffer: { size: 0 } } }),
    { timeoutMs: 30_000 },
  );
});

it('a transaction that main cannot apply is shown as failed with the reason', async () => {
  const { api } = stack;
  const unknownUnit = await startUnit(api, { obs_unit_id: 987_654 });
  expect(unknownUnit.status).toBe(201);
  // it waits for its planned unit, as the finish below for its start, up to the limit
  await eventually(
    async () => {
      const { body } = await api(`/executed_obs_units/${String(unknownUnit.body.id)}`);
      expect(body.sync).toMatchObject({
        state: 'failed',
        reason: expect.stringContaining('987654') as string,
      });
    },
    { timeoutMs: 30_000 },
  );
  const listed = (await api('/executed_obs_units/987654')).body;
  expect(listed).toMatchObject([{ id: unknownUnit.body.id, sync: { state: 'failed' } }]);

  const neverStarted = '0190b8f0-0000-7000-8000-00000000f00d';
  const finished = await finishUnit(api, neverStarted);
  expect(finished.status).toBe(202);
  expect(finished.body.sync).toMatchObject({ state: 'buffered', verified: false });
  await eventually(
    async () => {
      const { body } = await api(`/executed_obs_units/${neverStarted}`);
      expect(body.sync).toMatchObject({
        state: 'failed',
        reason: expect.stringContaining('no record was started') as string,
      });
    },
    { timeoutMs: 30_000 },
  );
});
