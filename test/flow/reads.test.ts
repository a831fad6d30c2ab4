/** Reads with related records, waits and conditional requests. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { acceptByHand, applyByHand, settleByHand } from '../support/by-hand.ts';
import { eventually } from '../support/eventually.ts';
import { finishUnit, startTestStack, startUnit, type TestStack } from '../support/test-stack.ts';
import { functions } from '../../infra/topology.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { uuidV7 } from '../../lib/transaction/ids.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ settings: { ANSWER_BUDGET_MS: 'always' } });
  await stack.quiesce();
});
afterAll(() => stack.stop());
beforeEach(() => settleByHand(stack));

const newId = () => uuidV7(Date.now(), randomBytes(10));
const read = (path: string, headers = {}) => stack.api(path, { headers });
const unitPath = (id: unknown) => `/executed_obs_units/${String(id)}`;

/** Accepts a transaction that no operation makes. */
async function change(aggregate: string, build: (builder: TransactionBuilder) => void): Promise<void> {
  const heading = { id: newId(), stamp: Date.now() * 1000, aggregate, principal: '1', operation: 'test' };
  const builder = new TransactionBuilder(heading, newId);
  build(builder);
  await acceptByHand(stack, builder.build());
}

describe('?include=packages,files', () => {
  it('adds related records, buffered and replicated, to one answer', async () => {
    const { body } = await startUnit(stack.api, { obs_unit_id: 21 });
    const id = String(body.id);
    let pack = '';
    let files: string[] = [];
    await change(id, (builder) => {
      pack = builder.create('raw_data_package', {
        executed_obs_unit_id: id,
        name: 'package',
        size_bytes: 10,
      });
      files = builder.bulkCreate(
        'raw_data_file',
        ['a', 'b'].map((name) => ({ executed_obs_unit_id: id, raw_data_package_id: pack, name })),
      );
    });
    const whole = async () => (await read(`${unitPath(id)}?include=packages,files`)).body;
    const expected = {
      packages: [{ id: pack, name: 'package', size_bytes: 10, state: 'waiting' }],
      files: files.map((file) => ({ id: file, raw_data_package_id: pack })),
    };
    expect(await whole()).toMatchObject({ ...expected, sync: { state: 'buffered' } });
    await settleByHand(stack);
    expect(await whole()).toMatchObject({ ...expected, sync: { state: 'replicated' } });

    // changed, deleted and added while the others are replicated
    await change(id, (builder) => {
      builder.update('raw_data_package', pack, { state: 'transferring' });
      builder.delete('raw_data_file', files[0] ?? '');
      builder.create('raw_data_file', { executed_obs_unit_id: id, name: 'c' });
    });
    const changed = {
      packages: [{ id: pack, state: 'transferring' }],
      files: [{ id: files[1] }, { name: 'c' }],
    };
    expect(await whole()).toMatchObject(changed);
    expect((await whole()).files).toHaveLength(2);
    await settleByHand(stack);
    expect(await whole()).toMatchObject(changed);
    expect((await whole()).files).toHaveLength(2);
    for (const path of ['/executed_obs_units/21', '/executed_obs_units?obs_unit_id=21']) {
      const join = path.includes('?') ? '&' : '?';
      expect((await read(`${path}${join}include=files`)).body).toMatchObject([{ id, files: changed.files }]);
    }
    const [plain] = (await read('/executed_obs_units/21')).body as unknown as object[];
    expect(plain).not.toHaveProperty('files');
  });

  it.each(['include=all', 'include=', 'include=files&limit=101'])('refuses %s', async (query) => {
    expect(await read(`/executed_obs_units?${query}`)).toMatchObject({ status: 400 });
  });
});

describe('?wait=', () => {
  it('answers once main has the record, and once the replica has it', async () => {
    const { body } = await startUnit(stack.api, { obs_unit_id: 22 });
    await stack.replica.query('select pg_wal_replay_pause()');
    const committed = read(`${unitPath(body.id)}?wait=committed&timeout=20`);
    const transaction = read(`/api/transactions/${String(body.transaction_id)}?wait=replicated&timeout=20`);
    expect((await read(unitPath(body.id))).body.sync).toEqual({ state: 'buffered' });
    await applyByHand(stack);
    expect((await committed).body.sync).toMatchObject({ state: 'committed' });
    await stack.replica.query('select pg_wal_replay_resume()');
    expect((await transaction).body).toMatchObject({ state: 'replicated' });
    const again = await read(`${unitPath(body.id)}?wait=replicated`);
    expect(again.body.sync).toMatchObject({ state: 'replicated' });
  });

  it('answers the present state at the timeout, and does not wait for an unknown record', async () => {
    const { body } = await startUnit(stack.api, { obs_unit_id: 22 });
    const late = await read(`${unitPath(body.id)}?wait=replicated&timeout=0`);
    expect(late).toMatchObject({ status: 200, body: { sync: { state: 'buffered' } } });
    expect((await read(`${unitPath(newId())}?wait=replicated`)).status).toBe(404);
  });

  it('ends at a final state that is not a success', async () => {
    const id = newId();
    await stack.main.query(
      "insert into executed_obs_unit (id, obs_unit_id, status, start_time) values ($1, 22, 'running', now())",
      [id],
    );
    // main refuses a second start under the same id
    const { body } = await startUnit(stack.api, { obs_unit_id: 22, id });
    const waiting = read(`/api/transactions/${String(body.transaction_id)}?wait=replicated&timeout=20`);
    await applyByHand(stack);
    expect((await waiting).body).toMatchObject({ state: 'failed' });
  });

  it('limits concurrent waits without delaying other requests', async () => {
    const { body } = await startUnit(stack.api, { obs_unit_id: 22 });
    const token = stack.description.tokens.viewer;
    // with one read beside them they are as many as the function takes at once
    const waits = Array.from({ length: functions.query.concurrency - 1 }, () =>
      stack.api(`${unitPath(body.id)}?wait=replicated&timeout=20`, { token }),
    );
    expect((await stack.api('/health', { token: null })).status).toBe(200);
    expect((await read('/executed_obs_units?limit=1')).status).toBe(200);
    await settleByHand(stack);
    const answers = await Promise.all(waits);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      expect(answer).toMatchObject({ status: 429, body: { code: 'too-many-waits' } });
      expect(answer.headers.get('retry-after')).not.toBeNull();
    }
    expect((await read(`${unitPath(body.id)}?wait=replicated`)).status).toBe(200);
  });

  it.each(['wait=done', 'wait=committed&timeout=26', 'timeout=-1', 'other=1'])(
    'refuses %s',
    async (query) => {
      expect((await read(`${unitPath(newId())}?${query}`)).status).toBe(400);
    },
  );
});

describe('If-None-Match', () => {
  it('gets 304 until the answer changes', async () => {
    const { body } = await startUnit(stack.api, { obs_unit_id: 23 });
    for (const path of [
      unitPath(body.id),
      `/api/transactions/${String(body.transaction_id)}`,
      '/executed_obs_units?obs_unit_id=23',
    ]) {
      const first = await fetchOf(path);
      const tag = first.headers.get('etag') ?? '';
      expect(tag).toMatch(/^"[\w-]+"$/);
      const same = await fetchOf(path, { 'If-None-Match': `"other", W/${tag}` });
      expect([same.status, await same.text(), same.headers.get('etag')]).toEqual([304, '', tag]);
    }
    const tag = (await fetchOf(unitPath(body.id))).headers.get('etag') ?? '';
    await finishUnit(stack.api, body.id);
    const changed = await fetchOf(unitPath(body.id), { 'If-None-Match': tag });
    expect(changed.status).toBe(200);
    expect(await changed.json()).toMatchObject({ status: 'completed' });
  });
});

const fetchOf = (path: string, headers: Record<string, string> = {}) =>
  fetch(stack.description.http + path, {
    headers: { Authorization: `Bearer ${stack.description.tokens.service}`, ...headers },
  });

describe('while Redis does not answer,', () => {
  it('reads of buffered tables get 503, and succeed when it is back', async () => {
    const { body } = await startUnit(stack.api, { obs_unit_id: 24 });
    await settleByHand(stack);
    process.kill(stack.parts.redis.pid, 'SIGSTOP');
    const token = stack.description.tokens.viewer;
    for (const path of [unitPath(body.id), '/executed_obs_units/24', '/executed_obs_units?limit=3']) {
      expect((await stack.api(path, { token })).status).toBe(503);
    }
    process.kill(stack.parts.redis.pid, 'SIGCONT');
    await eventually(async () => expect((await read(unitPath(body.id))).status).toBe(200));
  });
});
