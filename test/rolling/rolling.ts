/** What one release writes and one executes, and what both then show. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { wakeMessage } from '../../lib/queue/messages.ts';
import { eventually } from '../support/eventually.ts';
import { finishUnit, startUnit, type Reply, type TestStack } from '../support/test-stack.ts';
import { drainMessages } from '../support/traces.ts';
import type { Release } from '../support/releases.ts';

interface Roles {
  readonly writer: Release;
  readonly executor: Release;
  /** whoever is asked must say the same */
  readonly both: readonly Release[];
}

/**
 * Bodies in the spelling that identities are made of, three or six digits of a second: for any other one the first release
 * computes another id, so that a repeat that it gets of what this release has recorded is answered 422.
 *
 * Numbers that both releases keep, text in several scripts, and a key that is named like a column. */
const metadata = { patch: 'South field', deep: { list: [1, 2.5, null] }, 'naïve ☃': true, status: 'x' };

export class Rolling {
  readonly #stack: TestStack;
  readonly #roles: Roles;

  constructor(stack: TestStack, roles: Roles) {
    this.#stack = stack;
    this.#roles = roles;
  }

  steps(): readonly (readonly [name: string, run: () => Promise<void>])[] {
    return [
      ['a start and its finish, out of Redis', () => this.#observation('redis')],
      ['a start and its finish, out of messages alone', () => this.#observation('messages')],
      ['a finish that comes before its start', () => this.#finishFirst()],
      ['a start that main refuses, retried and discarded', () => this.#setAside()],
      ['an API token, made, used and revoked', () => this.#token()],
    ];
  }

  async #observation(source: 'redis' | 'messages'): Promise<void> {
    const { writer, both } = this.#roles;
    await drainMessages(this.#stack);
    const key = randomUUID();
    const body = { obs_unit_id: 7, start_time: '2026-10-01T11:10:00.123456Z', metadata };
    const started = await startUnit(writer.api, body, key);
    assert.equal(started.status, 201);
    for (const { api } of both) {
      const again = await startUnit(api, body, key);
      assert.deepEqual(
        [again.status, idsOf(again)],
        [201, idsOf(started)],
        'a repeat is the same transaction',
      );
    }
    const { id } = started.body;
    await this.#showSame(id, { status: 'running', sync: 'buffered' });
    const end = { status: 'aborted', end_time: '2026-10-01T11:20:00.000Z', metadata: { scans: 3 } };
    const finished = await finishUnit(writer.api, id, end, `${key} end`);
    assert.equal(finished.status, 200);
    for (const { api } of both) {
      const again = await finishUnit(api, id, end, `${key} end`);
      assert.deepEqual(
        [again.status, idsOf(again)],
        [200, idsOf(finished)],
        'a repeat is the same transaction',
      );
    }
    await this.#showSame(id, { status: 'aborted', sync: 'buffered' });
    if (source === 'messages') {
      const messages = await drainMessages(this.#stack);
      await this.#forget();
      await this.#apply(...messages);
    } else {
      await this.#apply();
    }
    await this.#expectOutcomes([started, finished], 'applied');
    await this.#confirm();
    await this.#showSame(id, { status: 'aborted', sync: 'replicated' });
    const { rows } = await this.#stack.main.query<{ metadata: unknown }>(
      'select metadata from executed_obs_unit where id = $1',
      [id],
    );
    assert.deepEqual(rows[0]?.metadata, { ...metadata, scans: 3 });
  }

  async #finishFirst(): Promise<void> {
    const { writer } = this.#roles;
    await drainMessages(this.#stack);
    const started = await startUnit(writer.api, { obs_unit_id: 9, metadata });
    const finished = await finishUnit(writer.api, started.body.id, { metadata: { scans: 3 } });
    const messages = await drainMessages(this.#stack);
    const of = ({ body }: Reply) => messages.filter((each) => each.includes(String(body.transaction_id)));
    await this.#forget();
    await this.#apply(...of(finished));
    await this.#expectOutcomes([finished], 'parked');
    await this.#apply(...of(started));
    await this.#expectOutcomes([started, finished], 'applied');
    await this.#confirm();
    await this.#showSame(started.body.id, { status: 'completed', sync: 'replicated' });
  }

  async #setAside(): Promise<void> {
    const { writer, both } = this.#roles;
    const admin = this.#stack.description.tokens.admin;
    for (const decider of both) {
      const started = await startUnit(writer.api, { obs_unit_id: 800_000, metadata });
      const finished = await finishUnit(writer.api, started.body.id);
      await this.#apply();
      await this.#expectOutcomes([started, finished], 'parked');
      await this.#confirm();
      const decide = (action: string) =>
        decider.api(`/api/transactions/${String(started.body.transaction_id)}/${action}`, {
          method: 'POST',
          token: admin,
          ...(action === 'discard' && { body: { reason: 'a test' } }),
        });
      await this.#showState(started, 'failed');
      assert.equal((await decide('retry')).status, 202, 'a retry is taken');
      await this.#apply();
      await this.#confirm();
      await this.#expectOutcomes([started], 'parked');
      assert.equal((await decide('discard')).status, 202, 'a discard is taken');
      await this.#apply();
      await this.#confirm();
      await this.#expectOutcomes([started], 'discarded');
      await this.#showState(started, 'discarded');
    }
  }

  /** Each release says so, in the end: what waits for another row has failed after a while. */
  async #showState({ body: { transaction_id } }: Reply, state: string): Promise<void> {
    for (const { name, api } of this.#roles.both) {
      await eventually(async () => {
        await this.#apply();
        const { body } = await api(`/api/transactions/${String(transaction_id)}`);
        assert.equal(body.state, state, name);
      });
    }
  }

  async #token(): Promise<void> {
    const { writer, both } = this.#roles;
    const token = this.#stack.description.tokens.admin;
    const made = await writer.api('/api/tokens', {
      method: 'POST',
      token,
      body: { name: randomUUID(), scopes: ['write:observations', 'read:observations'] },
    });
    assert.equal(made.status, 201);
    const use = ({ api }: Release) =>
      startUnit((path, request) => api(path, { ...request, token: String(made.body.token) }), {
        obs_unit_id: 5,
      });
    for (const each of both) assert.equal((await use(each)).status, 201, `${each.name} takes it`);
    await this.#apply();
    await this.#confirm();
    const revoked = await writer.api(`/api/tokens/${String(made.body.id)}`, { method: 'DELETE', token });
    assert.ok(revoked.status < 300, `revoked: ${revoked.status}`);
    for (const each of both) assert.equal((await use(each)).status, 401, `${each.name} takes it no more`);
    await this.#apply();
    await this.#confirm();
    const { rows } = await this.#stack.main.query<{ ended: boolean }>(
      'select revoked_at is not null as ended from api_token where id = $1',
      [made.body.id],
    );
    assert.deepEqual(rows, [{ ended: true }]);
  }

  /** One processor of the executing release. */
  async #apply(...bodies: string[]): Promise<void> {
    const answer = (await this.#roles.executor.invoke(
      'apply',
      queueEvent(...(bodies.length > 0 ? bodies : [wakeMessage])),
    )) as { readonly batchItemFailures: readonly unknown[] };
    assert.deepEqual(answer.batchItemFailures, [], 'no message is given back');
  }

  async #confirm(): Promise<void> {
    const { redisClient, keys } = this.#stack;
    await eventually(async () => {
      await this.#roles.executor.invoke('confirm', queueEvent('{"round":0}'));
      assert.equal(await redisClient.zcard(keys.committed), 0, 'something is not confirmed');
    });
    assert.equal(await redisClient.zcard(keys.pending), 0, 'something is pending');
  }

  /** Redis has lost everything that is buffered. */
  async #forget(): Promise<void> {
    const { redisClient, keys } = this.#stack;
    const [any] = [keys.transaction('*'), keys.overlay('*'), keys.record('*')];
    const lost = [keys.pending, keys.inflight, keys.committed, keys.setAside];
    for (const pattern of [any, keys.overlay('*'), keys.record('*'), `${keys.overlaid}*`]) {
      lost.push(...(await redisClient.keys(pattern)));
    }
    await redisClient.del(...lost);
  }

  async #expectOutcomes(replies: readonly Reply[], outcome: string): Promise<void> {
    const ids = replies.map(({ body }) => body.transaction_id);
    const { rows } = await this.#stack.main.query<{ outcome: string; reason: string | null }>(
      'select outcome, reason from inbox where transaction_id = any ($1)',
      [ids],
    );
    assert.deepEqual(
      rows.map((row) => row.outcome),
      ids.map(() => outcome),
      rows.map(({ reason }) => reason ?? '').join('; '),
    );
  }

  /** Each release, by id and in a list. */
  async #showSame(id: unknown, expected: { readonly status: string; readonly sync: string }): Promise<void> {
    const shown: unknown[] = [];
    for (const { name, api } of this.#roles.both) {
      const { body } = await api(`/executed_obs_units/${String(id)}`);
      assert.equal(body.status, expected.status, `${name}: ${JSON.stringify(body)}`);
      assert.equal((body.sync as { state: string }).state, expected.sync, name);
      const list = (await api('/executed_obs_units?limit=1000')).body as unknown as (typeof body)[];
      const listed = list.find((each) => each.id === id);
      assert.deepEqual(listed, body, `${name} lists another record`);
      const { obs_unit_id, metadata, start_time, end_time } = body;
      const times = [start_time, end_time].map((time) => typeof time === 'string' && Date.parse(time));
      shown.push({ obs_unit_id, metadata, times });
    }
    assert.deepEqual(shown[0], shown[1], 'the releases show different records');
  }
}

function idsOf({ body }: Reply): unknown {
  return [body.id, body.transaction_id];
}

function queueEvent(...bodies: string[]) {
  return {
    Records: bodies.map((body, index) => ({
      messageId: String(index),
      receiptHandle: `receipt ${index}`,
      body,
      attributes: { ApproximateReceiveCount: '1' },
    })),
  };
}
