/**
 * Redis does not roll scripts back. Each script is cut off after every single command and run again: the result must equal that
 * of an uninterrupted run. A script that is given an invalid argument or key must write nothing.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { accept, type AcceptRequest } from '../../lib/buffer/accept.ts';
import { claim, release } from '../../lib/buffer/claim.ts';
import { clean, revive } from '../../lib/buffer/clean.ts';
import { restoreEntry } from '../../lib/buffer/restore.ts';
import { mark } from '../../lib/buffer/mark.ts';
import { readOverlay } from '../../lib/buffer/overlay.ts';
import { draftFinish, draftStart, type Draft } from '../../lib/observation/record-executed-obs-unit.ts';
import type { InboxRow } from '../../lib/postgres/inbox.ts';
import type { Redis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';
import type { Step, Transaction } from '../../lib/transaction/transaction.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';
import * as made from '../../lib/redis/generated/scripts.ts';
import { cutAfter, dumpRedis, type Call, type Dump } from '../support/cut-scripts.ts';
import { oddForms } from '../support/odd-arguments.ts';
import { siteScenarios, type Act, type Scenario } from '../support/site-scripts.ts';
import { startTestRedis, type TestRedis } from '../support/test-redis.ts';
import type { Site } from '../../lib/redis/site.ts';

let redis: TestRedis;
let site: Site;
const keys = keysOf('ops');

beforeAll(async () => {
  redis = await startTestRedis();
  site = { redis: redis.client, keys };
});
afterAll(() => redis.stop());
beforeEach(() => redis.client.flushall());

const now = Date.UTC(2026, 9, 1);
const unit = derivedUuid('unit');
const hash = 'a'.repeat(64);
const heading = (id: string, at = now) => ({
  id: derivedUuid(id),
  stamp: at * 1000,
  principal: '7',
  operation: 'test',
});
const start = draftStart({ obs_unit_id: 7 }, unit, heading('start'), instantOfMilliseconds(now));
const finish = draftFinish(
  { status: 'aborted', metadata: { seeing: 'é ✓ 𝄞 "quoted"' } },
  unit,
  heading('finish', now + 5),
  instantOfMilliseconds(now + 5),
);
const discard: Draft = {
  transaction: new TransactionBuilder({ ...heading('discard', now + 9), aggregate: unit }, () => unit)
    .discard(start.transaction.id, 'clouds')
    .build(),
  patch: '{}',
  status: 202,
};

const request = (draft: Draft, more: Partial<AcceptRequest> = {}): AcceptRequest => ({
  claimant: { kind: 'api-token', principalId: '7', hash },
  permission: 'write:observations',
  ...draft,
  nowMilliseconds: now,
  requestsPerSecond: 1000,
  budgetBytes: 1e9,
  keyDigest: derivedUuid(draft.transaction.id, 'key'),
  ...more,
});
const lsn = { text: '0/64', value: 100n };
const row = ({ id, stamp, aggregate, principal }: Transaction, more: Partial<InboxRow> = {}) =>
  ({
    ...{ id, stamp, aggregate, principal },
    ...{
      recordIds: [aggregate],
      outcome: 'applied',
      parkedFor: null,
      overdue: false,
      reason: null,
      steps: null,
    },
    ...{ obsUnitId: 7, attempts: 1, revision: 1, recordedAt: '', changedAt: '', waitsFor: null, raw: null },
    ...more,
  }) as unknown as InboxRow;
const refused = row(finish.transaction, { outcome: 'refused', reason: 'Über – 望遠鏡 / "x"' });
const proof = (transaction: Transaction) => ({ reference: transaction, revision: 1 });
const claimed = { limit: 10, nowMilliseconds: now, leaseMilliseconds: 1000, always: false };

async function putToken(client: Redis): Promise<void> {
  await client.hset(keys.token(hash), {
    principal: '7',
    permissions: 'write:observations',
    expires_at: '',
    revoked: '0',
  });
  await client.hset(keys.user('7'), { active: '1', permissions: 'write:observations' });
}
const acceptAll =
  (...drafts: Draft[]): Act =>
  async (client) => {
    await putToken(client);
    for (const draft of drafts)
      expect(await accept({ redis: client, keys }, request(draft))).toMatchObject({ accepted: true });
  };
const all =
  (...acts: Act[]): Act =>
  async (client) => {
    for (const act of acts) await act(client);
  };
const both = [start.transaction, finish.transaction];
const marked: Act = (client) =>
  mark(
    { redis: client, keys },
    both.map((each) => row(each)),
    lsn,
    now,
  );

/** Name → the preparation, and the call that is cut off. */
const bufferScenarios: Readonly<Record<string, readonly [before: Act, act: Act]>> = {
  'accept a start': [putToken, (client) => accept({ redis: client, keys }, request(start))],
  'accept a finish of a known unit': [
    acceptAll(start),
    (client) => accept({ redis: client, keys }, request(finish)),
  ],
  'accept a finish of an unknown unit': [
    putToken,
    (client) => accept({ redis: client, keys }, request(finish)),
  ],
  'accept a discard of a buffered transaction': [
    acceptAll(start),
    (client) => accept({ redis: client, keys }, request(discard)),
  ],
  'accept the answer of a transaction that its copy restored': [
    all(putToken, (client) => restoreEntry({ redis: client, keys }, finish.transaction, now)),
    (client) => accept({ redis: client, keys }, request(finish)),
  ],
  'restore a start': [putToken, (client) => restoreEntry({ redis: client, keys }, start.transaction, now)],
  'restore a finish': [
    acceptAll(start),
    (client) => restoreEntry({ redis: client, keys }, finish.transaction, now),
  ],
  'restore a recorded transaction that lacks its body': [
    marked,
    (client) => restoreEntry({ redis: client, keys }, start.transaction, now),
  ],
  'claim copies and the oldest, and end a lease': [
    all(acceptAll(start, finish), async (client) => {
      await claim(
        { redis: client, keys },
        { ...claimed, limit: 1, always: true, copies: [], leaseMilliseconds: -1 },
      );
    }),
    (client) => claim({ redis: client, keys }, { ...claimed, copies: [finish.transaction] }),
  ],
  release: [
    all(acceptAll(start), (client) =>
      claim({ redis: client, keys }, { ...claimed, copies: [start.transaction] }),
    ),
    (client) => release({ redis: client, keys }, [start.transaction]),
  ],
  'mark as committed': [acceptAll(start, finish), marked],
  'mark transactions that Redis has lost': [putToken, marked],
  'mark a finish as refused, which reverts the known record': [
    acceptAll(start, finish),
    (client) => mark({ redis: client, keys }, [refused], lsn, now),
  ],
  'mark a start as discarded': [
    acceptAll(start, finish),
    (client) =>
      mark(
        { redis: client, keys },
        [row(start.transaction, { outcome: 'discarded', reason: 'clouds' })],
        lsn,
        now,
      ),
  ],
  clean: [
    all(acceptAll(start, finish), marked),
    (client) => clean({ redis: client, keys }, both.map(proof), now),
  ],
  'revive a transaction that main has lost': [
    all(acceptAll(start), marked),
    (client) => revive({ redis: client, keys }, both, now),
  ],
};

const scenarios: Readonly<Record<string, Scenario>> = {
  ...Object.fromEntries(
    Object.entries(bufferScenarios).map(([name, [before, act]]) => [name, { before, act }]),
  ),
  ...siteScenarios,
};

/** Counters of attempts and of the last two minutes, on which no decision depends. */
const isCount = (key: string) => key.startsWith('ops:rate:') || key.startsWith('ops:drained:');
const dump = () => dumpRedis(redis.client, isCount);

async function prepare(before: Act): Promise<Dump> {
  await redis.client.flushall();
  await before(redis.client);
  return dump();
}

/** Removes the numbers that rise with every attempt. */
function withoutCounts(all: Dump, counts: RegExp | undefined): Dump {
  if (!counts) return all;
  const text = JSON.stringify(all).replaceAll(counts, (found) => found.replaceAll(/\d/g, ''));
  return JSON.parse(text) as Dump;
}

/** The sources of all scripts that a scenario cuts off. */
const cutSources = new Set<string>();

describe.each(Object.entries(scenarios))('%s', (_name, { before, act, counts }) => {
  it('reaches the same result when it is cut off at any command and run again', async () => {
    await prepare(before);
    await act(redis.client);
    const expected = withoutCounts(await dump(), counts);
    let commands = 0;
    for (let isWhole = false; !isWhole; commands += 1) {
      await prepare(before);
      const cut = cutAfter(redis.client, commands);
      await act(cut.client).catch((error: unknown) => {
        if (cut.isWhole()) throw error;
      });
      for (const source of cut.sources) cutSources.add(source);
      isWhole = cut.isWhole();
      await act(redis.client);
      expect(withoutCounts(await dump(), counts), `cut after ${commands} commands`).toEqual(expected);
    }
    expect(commands).toBeGreaterThan(1);
  });

  it('writes nothing if a key has another type', async () => {
    const { keys: names } = await callOf(before, act);
    for (const key of new Set(names)) {
      for (const kind of ['string', 'list'] as const) {
        await prepare(before);
        await redis.client.del(key);
        if (kind === 'string') await redis.client.set(key, 'not a number');
        else await redis.client.rpush(key, 'x');
        await writesNothingIfRefused(() => act(redis.client), `${key} is a ${kind}`);
      }
    }
  });

  it('writes nothing if an argument is invalid', async () => {
    const { source, keys: names, args } = await callOf(before, act);
    for (const [index, arg] of args.entries()) {
      for (const odd of oddForms(arg)) {
        await prepare(before);
        const given = args.with(index, odd);
        await writesNothingIfRefused(
          () => redis.client.eval(source, [...names], given),
          `argument ${index} is ${odd}`,
        );
      }
    }
  });
});

it('every script of the project is cut off by a scenario', () => {
  const missing = Object.entries(made).filter(([, { source }]) => !cutSources.has(source));
  expect(missing.map(([name]) => name)).toEqual([]);
});

/** The last script call of `act`. */
async function callOf(before: Act, act: Act): Promise<Call> {
  await prepare(before);
  const spy = cutAfter(redis.client, Infinity);
  await act(spy.client);
  return spy.last();
}

async function writesNothingIfRefused(act: () => Promise<unknown>, why: string): Promise<void> {
  const before = await dump();
  const isRefused = await act().then(
    () => false,
    () => true,
  );
  if (isRefused) expect(await dump(), why).toEqual(before);
}

describe('an invalid argument writes nothing', () => {
  const rejects = async (act: Act) => {
    const before = await prepare(acceptAll(start));
    await expect(act(redis.client)).rejects.toThrow('argument');
    expect(await dump()).toEqual(before);
  };
  const later = request(finish);
  const ofNoRow = { ...start.transaction.steps[0], id: undefined } as unknown as Step;
  const other = { ...start.transaction, id: derivedUuid('other'), aggregate: derivedUuid('other unit') };

  it.each([
    ['a step without a row', { ...request(start), transaction: { ...other, steps: [ofNoRow] } }],
    ['no clock', { ...later, nowMilliseconds: NaN }],
    ['no stamp', { ...later, transaction: { ...later.transaction, stamp: NaN } }],
    ['no limit', { ...later, requestsPerSecond: NaN }],
    ['a truncated body', { ...later, patch: '{"id":' }],
  ])('accept: %s', (_name, asked: AcceptRequest) =>
    rejects((client) => accept({ redis: client, keys }, asked)),
  );

  it('restore, mark, clean, revive, claim and release', async () => {
    const odd = { ...start.transaction, stamp: NaN };
    await rejects((client) => restoreEntry({ redis: client, keys }, odd, now));
    await rejects((client) => restoreEntry({ redis: client, keys }, finish.transaction, NaN));
    await rejects((client) => mark({ redis: client, keys }, [row(start.transaction), row(odd)], lsn, now));
    await rejects((client) =>
      mark({ redis: client, keys }, [row(start.transaction, { attempts: NaN })], lsn, now),
    );
    await rejects((client) => clean({ redis: client, keys }, [proof(start.transaction), proof(odd)], now));
    await rejects((client) => clean({ redis: client, keys }, [proof(start.transaction)], NaN));
    await rejects((client) => revive({ redis: client, keys }, [start.transaction, odd], now));
    await rejects((client) => revive({ redis: client, keys }, [start.transaction], NaN));
    await rejects((client) => claim({ redis: client, keys }, { ...claimed, copies: [], limit: NaN }));
    await rejects((client) => release({ redis: client, keys }, [start.transaction, odd]));
  });
});

it('mark and accept keep every character of a reason and of a body', async () => {
  await acceptAll(start, finish)(redis.client);
  await mark(site, [refused], lsn, now);
  const { entries } = await readOverlay(site, [unit]);
  const found = entries.find(({ transaction }) => transaction.id === finish.transaction.id);
  expect(found?.reason).toBe(refused.reason);
  expect(found?.transaction.steps).toEqual(finish.transaction.steps);
  expect(await redis.client.hget(keys.transaction(finish.transaction.id), 'reason')).toBe(refused.reason);
});
