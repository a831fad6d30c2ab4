/**
 * This release reads everything that the first release stored (the part that needs no server). If a block fails, users see:
 *
 * - identities: a write repeated after a deployment is recorded as a second observation;
 * - messages: an acknowledged write that waits in SQS is never executed;
 * - inbox rows: transactions that main has set aside disappear from reads, lists and health;
 * - cursors: a client that pages through a list during a deployment gets `400`.
 */
import * as z from 'zod/mini';
import { describe, expect, it } from 'vitest';
import { identifyWrite } from '../../functions/accept/identify.ts';
import { userRowId } from '../../lib/users/user-store.ts';
import { readJsonBody } from '../../lib/http/json-body.ts';
import { readCursor } from '../../lib/http/page.ts';
import { listed } from '../../lib/api/operations.ts';
import type { Request } from '../../lib/http/request.ts';
import { recordId, timestamp } from '../../lib/observation/executed-obs-unit.ts';
import { readInboxRow } from '../../lib/postgres/inbox.ts';
import { readTransactionsMessage } from '../../lib/queue/messages.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';
import { stateOfInbox } from '../../lib/transaction/lifecycle.ts';
import { readTransaction } from '../../lib/transaction/transaction.ts';
import { cursors, dumps, identities, storedTransactions, type WriteCase } from '../support/release-1.ts';

/** Bodies without instants whose numbers and ids have only one spelling: their id is unchanged and needs no alias. */
const canonicalAlready = [
  'a start with a key',
  'the same from another principal',
  'the same under another key',
  'keys in another order',
  'a client-made id',
  'a client-made id and a key',
  'numbers that a double keeps',
  'nested objects and lists',
  'texts that need escapes',
  'a key of every printable character',
];

function identityNow({ operation, principal, params = {}, key, body }: WriteCase) {
  const route = listed.find((each) => each.operation === operation);
  if (!route) throw new Error(`no operation ${operation}`);
  const parsed = readJsonBody(body);
  const request: Request = {
    route,
    path: route.path,
    given: { params, query: {}, body: parsed },
    headers: key === undefined ? {} : { 'idempotency-key': key },
    cookies: [],
    requestId: 'test',
    sourceIp: '127.0.0.1',
    receivedAt: 1_790_000_000_000,
    replyHeaders: new Map(),
  };
  const clientMade = operation === 'startExecutedObsUnit' ? (parsed as { id?: string }).id : undefined;
  return identifyWrite(request, principal, clientMade?.toLowerCase(), new Uint8Array(20));
}

describe('the identity of a write', () => {
  it.each(identities.writes)('is unchanged for $name, or known as its alias', (write) => {
    const now = identityNow(write);
    const known = [now.id, ...('alias' in now ? [now.alias] : [])];
    expect(known).toContain(write.identity.id);
    expect(now.keyDigest).toBe(write.identity.keyDigest);
    if (now.id === write.identity.id) expect(now.newRecordId).toBe(write.identity.newRecordId);
  });

  it.each(identities.writes.filter(({ name }) => canonicalAlready.includes(name)))(
    'is unchanged for $name',
    (write) => expect(identityNow(write).id).toBe(write.identity.id),
  );

  it('is unchanged for decisions, usage, revocations and user rows', () => {
    for (const { parts, id } of identities.derived) expect(derivedUuid(...parts)).toBe(id);
    for (const { principal, id } of identities.userRows) expect(userRowId(principal)).toBe(id);
  });
});

describe('a stored transaction', () => {
  const stored = storedTransactions();

  it('exists for every kind of step', () => {
    const kinds = stored.flatMap(({ steps }) => (steps as { kind: string }[]).map(({ kind }) => kind));
    const all = ['bulk_create', 'create', 'delete', 'discard', 'put', 'retry', 'update'];
    expect([...new Set(kinds)].sort()).toEqual(all);
  });

  it.each(stored)('$id ($operation) reads as it was written', (transaction) => {
    expect(JSON.parse(JSON.stringify(readTransaction(transaction)))).toEqual(transaction);
    const body = JSON.stringify({ kind: 'transaction', transaction });
    const message = readTransactionsMessage(body);
    if (message.kind !== 'transaction') throw new Error('read as a wake-up');
    expect(JSON.parse(JSON.stringify(message.transaction))).toEqual(transaction);
  });

  it('is distinguished from a wake-up', () => {
    expect(readTransactionsMessage(cursors.wake)).toEqual({ kind: 'wake' });
  });
});

describe('an inbox row', () => {
  const states = {
    committed: 'applied',
    'waiting for its start': 'waiting',
    'failed, and one behind it': 'failed, waiting',
    refused: 'failed',
    discarded: 'discarded',
  };

  it.each(dumps.filter(({ inbox }) => inbox.length > 0))('of $name reads with every column', ({ inbox }) => {
    for (const row of inbox) {
      const read = readInboxRow(row);
      expect(read).toMatchObject({
        id: row.transaction_id,
        aggregate: row.aggregate_id,
        outcome: row.outcome,
        parkedFor: row.parked_for,
        reason: row.reason,
        recordIds: row.record_ids,
        attempts: row.attempts,
        revision: row.revision,
        overdue: row.overdue,
      });
      expect(JSON.parse(JSON.stringify(read.steps))).toEqual(row.steps);
    }
  });

  it.each(Object.entries(states))('of %s means %s', (name, expected) => {
    const rows = dumps.find((each) => each.name === name)?.inbox ?? [];
    const found = new Set(rows.map((row) => stateOfInbox(readInboxRow(row)).replace('committed', 'applied')));
    for (const state of expected.split(', ')) expect(found).toContain(state);
  });
});

describe('a cursor', () => {
  const cursorOf = (link: string) =>
    new URL(/<(.*)>/.exec(link)?.[1] ?? '', 'http://x').searchParams.get('cursor');

  it.each(cursors.units)('of executed units reads (%#)', (link) => {
    const [start, id] = readCursor(z.tuple([timestamp, recordId]), cursorOf(link) ?? '');
    expect(Date.parse(start)).toBeGreaterThan(0);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each(cursors.transactions)('of transactions reads (%#)', (link) => {
    readCursor(z.tuple([z.int(), recordId]), cursorOf(link) ?? '');
  });

  it.each(cursors.audit)('of audit events reads (%#)', (link) => {
    readCursor(z.tuple([timestamp, recordId]), cursorOf(link) ?? '');
  });

  it.each(cursors.users)('of users reads (%#)', (link) => {
    readCursor(z.tuple([z.string()]), cursorOf(link) ?? '');
  });
});
