/**
 * This release reads everything that the first release left in Redis and at main (the part that needs servers). If a block
 * fails, users see:
 *
 * - overlay: an acknowledged record is missing from reads, or in another state, until it is replicated;
 * - accept: a repeat is recorded twice, or a legitimate finish is refused;
 * - process: transactions accepted before the deployment are never executed, marked or cleaned;
 * - people: nobody can log in, or people can whose rights have ended;
 * - live: every client gets a new snapshot at each deployment, or misses changes;
 * - main: transactions that main has set aside cannot be read, retried or executed.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { drain } from '../../functions/process/drain.ts';
import { readRecentEvents } from '../../lib/audit/audit-event.ts';
import { restoreAccess } from '../../lib/credentials/restore-access.ts';
import { readSession } from '../../lib/sessions/session.ts';
import { findToken, listTokens } from '../../lib/tokens/token-store.ts';
import { readUser } from '../../lib/users/user-store.ts';
import { accept, type AcceptRequest } from '../../lib/buffer/accept.ts';
import { claim } from '../../lib/buffer/claim.ts';
import { clean, revive } from '../../lib/buffer/clean.ts';
import { restoreEntry } from '../../lib/buffer/restore.ts';
import { readKnownRows } from '../../lib/buffer/known.ts';
import { mark } from '../../lib/buffer/mark.ts';
import { overlaidWithin, readOverlay } from '../../lib/buffer/overlay.ts';
import { readReference } from '../../lib/buffer/reference.ts';
import { readBufferStats } from '../../lib/buffer/stats.ts';
import { readCheckpoint } from '../../lib/channels/checkpoint.ts';
import { listConnections, readConnections } from '../../lib/sockets/connections.ts';
import { readFeed } from '../../lib/channels/read.ts';
import { createLog } from '../../lib/observability/log.ts';
import { draftFinish } from '../../lib/observation/record-executed-obs-unit.ts';
import { finishBody } from '../../lib/observation/executed-obs-unit.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { readInboxRow } from '../../lib/postgres/inbox.ts';
import { readTransactionsMessage } from '../../lib/queue/messages.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { readTransaction, type Transaction } from '../../lib/transaction/transaction.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';
import { dumpOf, dumps, keys, restore, storedTransactions, type Dump } from '../support/release-1.ts';
import { startTestMain, type TestMain } from '../support/test-main.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import type { Site } from '../../lib/redis/site.ts';

let redis: TestRedis;
let site: Site;
let main: TestMain;

beforeAll(async () => {
  [main, redis] = await Promise.all([startTestMain(), startTestRedis()]);
  site = { redis: redis.client, keys };
});
afterAll(() => Promise.all([main.stop(), redis.stop()]));

const now = Date.now();
const hashOf = (dump: Dump, key: string) => {
  const found = dump.redis[key];
  if (found?.type !== 'hash') throw new Error(`no hash ${key} in ${dump.name}`);
  return found.value;
};
const membersOf = (dump: Dump, key: string) => {
  const found = dump.redis[key];
  return found?.type === 'zset' ? found.value.map(([member]) => member) : [];
};
const overlaidIn = (dump: Dump) =>
  Object.keys(dump.redis).flatMap((key) =>
    key.startsWith('ops:overlay:') ? key.slice('ops:overlay:'.length) : [],
  );
const transactionsIn = ({ messages }: Dump) =>
  messages
    .map(readTransactionsMessage)
    .flatMap((each) => (each.kind === 'transaction' ? each.transaction : []));
const text = (value: unknown) => String(value);

/** A claimant whose credential is not checked. */
const asked: Omit<AcceptRequest, 'transaction' | 'patch' | 'status'> = {
  claimant: { kind: 'none', principalId: '1' },
  permission: '',
  nowMilliseconds: now,
  requestsPerSecond: 1e9,
  budgetBytes: 1e12,
};

describe.each(dumps.filter((dump) => overlaidIn(dump).length > 0))('the overlay of "$name"', (dump) => {
  beforeEach(() => restore(redis.client, dump));

  it('reads completely, each entry in its state', async () => {
    const overlay = await readOverlay(site, overlaidIn(dump));
    const expected = overlaidIn(dump).flatMap((aggregate) => {
      const hash = hashOf(dump, keys.overlay(aggregate));
      return Object.keys(hash)
        .filter((field) => field.startsWith('b:'))
        .map((field) => {
          const id = field.slice(2);
          const flags = JSON.parse(hash[`s:${id}`] ?? '{}') as Record<string, unknown>;
          const { state, lsn, reason, refused = false, verified = true } = flags;
          return { id, state, lsn, reason: reason === '' ? undefined : reason, refused, verified };
        });
    });
    const found = overlay.entries.map(({ transaction, state, lsn, reason, refused, verified }) => ({
      ...{ id: transaction.id, state, lsn, reason, refused, verified },
    }));
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
    expect(found.sort(byId)).toEqual(expected.sort(byId));
    const floor = dump.redis[keys.floor];
    expect(overlay.floor).toBe(BigInt(floor?.type === 'string' ? floor.value : 0));
  });

  it('is found by start, by planned unit, or as unknown', async () => {
    const indexed = membersOf(dump, keys.overlaid);
    const { aggregates } = await overlaidWithin(site, { count: 1000 });
    expect(aggregates).toEqual(expect.arrayContaining(indexed));
    for (const aggregate of indexed) {
      const known = hashOf(dump, keys.record(aggregate));
      const [start, obsUnitId] = [Number(known.start_ms), Number(known.obs_unit_id)];
      const range = { obsUnitId, from: start, to: start, count: 1000 };
      expect((await overlaidWithin(site, range)).aggregates).toContain(aggregate);
    }
    const unknown = dump.redis[keys.overlaidUnknown];
    expect(aggregates).toEqual(expect.arrayContaining(unknown?.type === 'set' ? [...unknown.value] : []));
    if (indexed.length === 0) return;
    const starts = await readKnownRows(site, indexed, new Set());
    expect(starts.map(({ id }) => id).sort()).toEqual([...indexed].sort());
  });

  it('is counted', async () => {
    const stats = await readBufferStats(site, dump.facts.takenAt);
    const size = membersOf(dump, keys.pending).length + membersOf(dump, keys.inflight).length;
    expect(stats).toMatchObject({
      size,
      committed: membersOf(dump, keys.committed).length,
      bytes: Number(hashOf(dump, keys.stats).bytes),
      isMainReachable: dump.redis[keys.mainDown] === undefined,
    });
  });
});

describe('accept with the records of the first release', () => {
  const [buffered, finished] = [dumpOf('start buffered'), dumpOf('start and finish buffered')];

  function finish(aggregate: unknown, body: object, id = derivedUuid('test', JSON.stringify(body))) {
    const heading = { id, stamp: now * 1000, principal: '1', operation: 'finishExecutedObsUnit' };
    const draft = draftFinish(finishBody.parse(body), text(aggregate), heading, instantOfMilliseconds(now));
    return accept(site, { ...asked, ...draft });
  }

  it('gives a repeated start the same answer', async () => {
    await restore(redis.client, buffered);
    const [transaction] = transactionsIn(buffered);
    if (!transaction) throw new Error('no message');
    const known = hashOf(buffered, keys.transaction(transaction.id));
    const again = {
      ...asked,
      transaction,
      patch: '{}',
      status: 201,
      keyDigest: digestIn(buffered, transaction),
    };
    expect(await accept(site, again)).toMatchObject({
      replayed: true,
      patch: known.patch,
      status: 201,
    });
    const other = { ...transaction, id: derivedUuid('another request') };
    expect(await accept(site, { ...again, transaction: other })).toMatchObject({
      refused: 'key_reused',
    });
  });

  it('refuses an id that is taken', async () => {
    await restore(redis.client, buffered);
    const [transaction] = transactionsIn(buffered);
    if (!transaction) throw new Error('no message');
    const other = { ...transaction, id: derivedUuid('another request') };
    const verdict = await accept(site, {
      ...asked,
      transaction: other,
      patch: '{}',
      status: 201,
    });
    expect(verdict).toMatchObject({ refused: 'taken' });
  });

  it('verifies a finish against its start and stamps it later', async () => {
    await restore(redis.client, buffered);
    const verdict = await finish(buffered.facts.id, { status: 'completed' });
    const known = hashOf(buffered, keys.record(text(buffered.facts.id)));
    expect(verdict).toMatchObject({ accepted: true, status: 200, base: known.base });
    expect(Number('stamp' in verdict ? verdict.stamp : 0)).toBeGreaterThan(Number(known.stamp));
  });

  it.each(['start and finish buffered', 'committed', 'cleaned'])(
    'recognises a repeated finish after "%s" and refuses another',
    async (name) => {
      const dump = dumpOf(name);
      await restore(redis.client, dump);
      const state = {
        'start and finish buffered': 'buffered',
        committed: 'committed',
        cleaned: 'replicated',
      }[name];
      const known = hashOf(dump, keys.record(text(dump.facts.id)));
      const body = dump.facts.finishBody as object;
      expect(await finish(dump.facts.id, body)).toMatchObject({
        repeated: true,
        patch: known.finish,
        status: 200,
        state,
      });
      expect(await finish(dump.facts.id, { ...body, status: 'failed' })).toMatchObject({
        refused: 'finished',
      });
    },
  );

  it('leaves a finish of an unknown unit unverified', async () => {
    await restore(redis.client, finished);
    expect(await finish(derivedUuid('nobody'), {})).toMatchObject({ accepted: true, status: 202 });
  });
});

/** The digest of a transaction's idempotency key. */
function digestIn(dump: Dump, { id }: Transaction): string {
  const found = Object.entries(dump.redis).find(
    ([key, { value }]) => key.startsWith('ops:idem:') && value === id,
  );
  return found?.[0].split(':').at(-1) ?? '';
}

describe('the processor with transactions that the first release accepted', () => {
  it('claims them in order and drains them to main', async () => {
    const dump = dumpOf('start and finish buffered');
    await restore(redis.client, dump);
    const parts = {
      ...{ redis: redis.client, keys, main: main.pool, startWaitSeconds: 900 },
      ...{ now: Date.now, log: createLog('error') },
    };
    const done = await drain(parts, transactionsIn(dump), { deadline: Date.now() + 60_000, always: false });
    expect(done).toMatchObject({ copies: ['recorded', 'recorded'], mainAnswered: true, backlog: 0 });
    const { rows } = await main.pool.query(
      'select status, metadata, end_time from executed_obs_unit where id = $1',
      [dump.facts.id],
    );
    expect(rows).toMatchObject([
      { status: 'aborted', metadata: { patch: 'Jupiter', pwv: 0.5, reason: 'clouds' } },
    ]);
    expect(await redis.client.zcard(keys.committed)).toBe(2);
  });

  it('leaves them while main is unreachable, unless it probes main', async () => {
    const dump = dumpOf('main away');
    await restore(redis.client, dump);
    const [transaction] = transactionsIn(dump);
    const request = {
      copies: transaction ? [transaction] : [],
      limit: 10,
      nowMilliseconds: now,
      leaseMilliseconds: 1000,
    };
    const untouched = await claim(site, { ...request, always: false });
    expect(untouched).toMatchObject({ copies: ['busy'], oldest: [], isMainUnreachable: true });
    expect((await claim(site, { ...request, always: true })).copies).toEqual(['claimed']);
  });

  it('cleans committed ones to the last byte', async () => {
    const dump = dumpOf('committed');
    await restore(redis.client, dump);
    const references = membersOf(dump, keys.committed).map(readReference);
    expect(references).toHaveLength(2);
    const proofs = references.map((reference) => ({ reference, revision: 1 }));
    expect(await clean(site, proofs, now)).toBe(2);
    expect(await redis.client.exists(keys.overlay(text(dump.facts.id)), keys.committed, keys.overlaid)).toBe(
      0,
    );
    expect(await redis.client.exists(keys.overlaidByUnit, keys.overlaidUnknown)).toBe(0);
    expect(await redis.client.hget(keys.stats, 'bytes')).toBe('0');
    expect(Number(await redis.client.get(keys.floor))).toBeGreaterThan(0);
    for (const { id } of references)
      expect(await redis.client.ttl(keys.transaction(id))).toBeGreaterThan(3600);
  });

  it('revives those that main has lost', async () => {
    const dump = dumpOf('committed');
    await restore(redis.client, dump);
    const references = membersOf(dump, keys.committed).map(readReference);
    expect(await revive(site, references, now)).toEqual({
      revived: 2,
      lost: [],
    });
    expect(await redis.client.zcard(keys.pending)).toBe(2);
  });

  it.each(['waiting for its start', 'failed, and one behind it', 'refused'])(
    'marks those "%s" forward',
    async (name) => {
      const dump = dumpOf(name);
      await restore(redis.client, dump);
      const rows = dump.inbox.map((row) => readInboxRow(row));
      const lsn = { text: '0/FFFFFF0', value: 0xffffff0n };
      // the same revision changes nothing
      expect(await mark(site, rows, lsn, now)).toMatchObject({ marked: 0 });
      const later = rows.map((row) => ({
        ...row,
        ...{ outcome: 'applied' as const, parkedFor: null, overdue: false, reason: null, steps: null },
        revision: row.revision + 1,
      }));
      expect(await mark(site, later, lsn, now)).toMatchObject({
        marked: rows.length,
      });
      expect(await redis.client.exists(keys.setAside)).toBe(0);
      const proofs = later.map(({ stamp, aggregate, id, revision }) => ({
        reference: { stamp, aggregate, id },
        revision,
      }));
      expect(await clean(site, proofs, now)).toBe(rows.length);
      expect(await redis.client.exists(keys.overlay(text(dump.facts.id)))).toBe(0);
    },
  );

  it('restores every entry from its copy when Redis has lost it', async () => {
    await redis.client.flushall();
    const all = storedTransactions().map(readTransaction);
    for (const transaction of all) await restoreEntry(site, transaction, now);
    expect(await redis.client.zcard(keys.pending)).toBe(new Set(all.map(({ id }) => id)).size);
    for (const { aggregate, id } of all) {
      const { entries } = await readOverlay(site, [aggregate]);
      expect(entries.map(({ transaction }) => transaction.id)).toContain(id);
    }
  });
});

describe('people', () => {
  const before = dumpOf('people: tokens, a session, a ticket, a change of role');
  const after = dumpOf('people: logged out and barred');
  const facts = before.facts as unknown as Record<
    'token' | 'ended' | 'rotated',
    { id: string; hash: string }
  >;

  function startWith(hash: string, principalId = '7001') {
    const id = derivedUuid('test', hash);
    const builder = new TransactionBuilder(
      { id, stamp: now * 1000, aggregate: id, principal: principalId, operation: 'test' },
      () => id,
    );
    builder.delete('executed_obs_unit', id);
    const claimant = { kind: 'api-token', principalId, hash } as const;
    const transaction = builder.build();
    return accept(site, {
      ...{ ...asked, claimant, permission: 'write:observations', transaction, patch: '{}', status: 200 },
    });
  }

  it('log in with their valid tokens, and not with ended ones', async () => {
    await restore(redis.client, before);
    expect(await startWith(facts.token.hash)).toMatchObject({ accepted: true });
    expect(await startWith(facts.rotated.hash)).toMatchObject({ accepted: true });
    expect(await startWith(facts.ended.hash)).toMatchObject({ refused: 'unauthorized' });
    expect(await startWith('0'.repeat(64))).toMatchObject({ refused: 'unauthorized' });
    const listed = await listTokens(site, '7001');
    expect(listed.map(({ id }) => id).sort()).toEqual(
      Object.values({ ...facts })
        .flatMap((each) => (each.hash ? [each.id] : []))
        .sort(),
    );
    expect(await findToken(site, facts.ended.id)).toMatchObject({
      revoked: true,
    });
  });

  it('keep their role and their session', async () => {
    await restore(redis.client, before);
    expect(await readUser(site, '7001')).toMatchObject({
      role: 'admin',
      role_from: 'admin',
      active: true,
      stamp: Number(hashOf(before, keys.user('7001')).stamp),
    });
    const [session] = Object.keys(before.redis).filter((key) => /^ops:session:[\w-]{22}$/.test(key));
    const id = session?.split(':').at(-1) ?? '';
    expect(await readSession(site, id)).toMatchObject({ extended: false });
  });

  it('stay deactivated', async () => {
    await restore(redis.client, after);
    expect(await readUser(site, '1002')).toMatchObject({ active: false });
  });

  it('find their actions in the audit', async () => {
    await restore(redis.client, after);
    const events = await readRecentEvents(site, { limit: 100, after: undefined, filter: {} });
    expect(events).toHaveLength(membersOf(after, keys.recentAudit).length);
  });

  it('get their rights restored from copies alone', async () => {
    await redis.client.flushall();
    const changes = dumps.filter(({ name }) => name.startsWith('people')).flatMap(transactionsIn);
    for (const change of changes.sort((a, b) => a.stamp - b.stamp)) {
      expect(await restoreAccess(site, change)).toBe(true);
    }
    expect(await readUser(site, '1002')).toMatchObject({ active: false });
    expect(await findToken(site, facts.token.id)).toMatchObject({
      revoked: false,
    });
    expect(await findToken(site, facts.ended.id)).toMatchObject({
      revoked: true,
    });
  });
});

describe('a live client', () => {
  const dump = dumpOf('live: connections, a checkpoint, positions');
  beforeEach(() => restore(redis.client, dump));

  it('keeps its connection and subscriptions', async () => {
    const [id = ''] = membersOf(dump, keys.connections);
    expect(await listConnections(site, dump.facts.takenAt)).toEqual([id]);
    const [connection] = await readConnections(site, [id]);
    expect(connection).toMatchObject({
      id,
      principal: '3',
      permissions: ['read:observations', 'read:transfers'],
    });
    const kept = connection?.subscriptions.map(({ channel, live }) => [
      channel.replace(/\.[0-9a-f-]{36}$/, '.…'),
      live,
    ]);
    expect(kept?.sort()).toEqual([
      ['buffer', true],
      ['executed_obs_units', true],
      ['executed_obs_units?obs_unit_id=7', true],
      ['transactions.…', true],
      ['transfer.overview', true],
    ]);
  });

  it('continues from the checkpoint in the same epoch without a gap', async () => {
    const checkpoint = await readCheckpoint(site);
    if (!checkpoint) throw new Error('no checkpoint');
    const feed = await readFeed(site, checkpoint.positions, 'another epoch');
    expect(feed.epoch).toBe(checkpoint.epoch);
    for (const tail of Object.values(feed.tails)) expect(tail.isBroken).toBe(false);
  });

  it('resumes from the first position that it received', async () => {
    const nowhere = { transfer: '0-0', buffer: '0-0', connections: '0-0' };
    const stream = dump.redis[keys.feed('executed_obs_units')];
    const [first, ...rest] = stream?.type === 'stream' ? stream.value : [];
    const feed = await readFeed(site, { ...nowhere, observations: first?.[0] ?? '' }, 'x');
    expect(feed.tails.observations).toMatchObject({ isBroken: false });
    const [change, record] = [/change,(\w+)/, /record,([\w-]+)/].map((pattern) =>
      rest.map(([, fields]) => pattern.exec(fields.join(','))?.[1]),
    );
    expect(feed.tails.observations.entries.map((entry) => entry.change)).toEqual(change);
    expect(feed.tails.observations.entries.map((entry) => entry.record)).toEqual(record);
  });
});

describe('main', () => {
  const apply = async (batch: readonly Transaction[]) =>
    (await applyTransactions(main.pool, batch, 900)).rows;

  it('gives every stored transaction an outcome', async () => {
    const all = storedTransactions().map(readTransaction);
    const rows = await apply(all.sort((a, b) => a.stamp - b.stamp));
    const outcomes = new Map(rows.map(({ id, outcome }) => [id, outcome]));
    for (const { id, operation } of all)
      expect(outcomes.get(id), operation).toMatch(/applied|parked|discarded|refused/);
  });

  it('reads, retries and executes transactions that the first release set aside', async () => {
    const [waiting, failed] = [dumpOf('waiting for its start'), dumpOf('failed, cleaned')];
    const rows = [...waiting.inbox, ...failed.inbox];
    const ids = rows.map(({ transaction_id: id }) => id);
    await main.pool.query('delete from inbox where transaction_id = any ($1)', [ids]);
    for (const row of rows) {
      await main.pool.query(
        `insert into inbox (${Object.keys(row).join(', ')})
         select ${Object.keys(row).join(', ')} from jsonb_populate_record(null::inbox, $1)`,
        [JSON.stringify(row)],
      );
    }
    const { rows: back } = await main.pool.query<{ row: unknown }>(
      'select to_jsonb(i) as row from inbox i where transaction_id = any ($1) order by stamp',
      [ids],
    );
    expect(back.map(({ row }) => readInboxRow(row))).toEqual(
      rows.map((row) => readInboxRow(row)).sort((a, b) => a.stamp - b.stamp),
    );
    // the awaited start
    const aggregate = text(waiting.facts.id);
    const heading = {
      id: derivedUuid('late start'),
      stamp: now * 1000,
      aggregate,
      principal: '1',
      operation: 'start',
    };
    const builder = new TransactionBuilder(heading, () => aggregate);
    builder.create(
      'executed_obs_unit',
      { obs_unit_id: 8, status: 'running', start_time: '2026-10-01T00:00:00.000Z' },
      aggregate,
    );
    const started = await apply([builder.build()]);
    expect(started.find(({ id }) => id === waiting.inbox[0]?.transaction_id)).toMatchObject({
      outcome: 'applied',
    });
    // the missing planned unit
    await main.pool.query(
      `insert into obs_unit (id, observing_program_id, source_id, instrument_id, name) values (999999, 1, 1, 1, 'late')
       on conflict do nothing`,
    );
    const [stuck] = failed.inbox;
    const retry = new TransactionBuilder(
      { ...heading, id: derivedUuid('retry'), aggregate: text(stuck?.aggregate_id) },
      () => '',
    )
      .retry(text(stuck?.transaction_id))
      .build();
    const retried = await apply([retry]);
    const outcome = (id: unknown) => retried.find((row) => row.id === id)?.outcome;
    expect(failed.inbox.map(({ transaction_id: id }) => outcome(id))).toEqual(['applied', 'applied']);
  });
});
