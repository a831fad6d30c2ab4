/** Clients in a storm: they start, update and finish units, and read them back. */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { record, type RecordParts } from '../../../functions/accept/record.ts';
import { VerifiedTokens } from '../../../functions/accept/verified-tokens.ts';
import { ObservatoryClient } from '../../../lib/client/observatory-client.ts';
import type { Draft } from '../../../lib/observation/record-executed-obs-unit.ts';
import { createLog } from '../../../lib/observability/log.ts';
import { Queue } from '../../../lib/queue/queue.ts';
import { connectRedis } from '../../../lib/redis/client.ts';
import { TransactionBuilder } from '../../../lib/transaction/builder.ts';
import { uuidV7 } from '../../../lib/transaction/ids.ts';
import type { TestStack } from '../../support/test-stack.ts';

/** The acknowledged writes of one executed unit. */
export interface Acknowledged {
  readonly id: string;
  seq: number;
  finished: boolean;
  /** each acknowledged write: its time, its kind, and the store if only one answered */
  readonly history: string[];
  /** time of the last answer that named the queue as the only store, epoch ms */
  queuedAt: number;
  /** files created in the same transaction */
  readonly files: readonly string[];
}

export interface Violation {
  readonly at: number;
  /** time of the last answer that named the queue as the only store, epoch ms */
  readonly queuedAt: number;
  readonly what: string;
}

export interface Written {
  readonly units: Acknowledged[];
  acknowledged: number;
  reads: number;
  /** reads refused with 503 */
  refused: number;
  readonly violations: Violation[];
}

/** Runs until `signal` is aborted. */
export async function runClient(
  stack: TestStack,
  next: () => number,
  written: Written,
  signal: AbortSignal,
): Promise<void> {
  const { http, tokens } = stack.description;
  const client = new ObservatoryClient({
    url: http,
    token: tokens.service,
    timeoutMilliseconds: 4000,
    patienceMilliseconds: 30_000,
  });
  const direct = directWriter(stack);
  while (!signal.aborted) {
    const unit =
      next() < 0.2
        ? await direct.startWithFiles(next)
        : next() < 0.2
          ? await finishFirst(client, next)
          : await start(client, next);
    if (!unit) continue;
    written.units.push(unit);
    written.acknowledged += 1;
    await readBack(stack, unit, written);
    for (let seq = 1; seq <= 2 && next() < 0.5; seq += 1) {
      const updated = await direct.update(unit.id, seq);
      if (!updated) break;
      note(unit, `update ${seq}`, updated);
      unit.seq = seq;
      written.acknowledged += 1;
      await readBack(stack, unit, written);
    }
    if (!unit.finished && next() < 0.9) {
      const answer = await client
        .finish(unit.id, { metadata: { end: true } }, randomUUID())
        .catch(() => undefined);
      if (answer) {
        unit.finished = true;
        note(unit, 'finish', answer.body);
        written.acknowledged += 1;
      }
    }
    await readBack(stack, unit, written);
    await delay(20 + next() * 60);
  }
}

async function start(client: ObservatoryClient, next: () => number): Promise<Acknowledged | undefined> {
  const body = { obs_unit_id: 1 + Math.floor(next() * 300), metadata: { seq: 0 } };
  const answer = await client.start(body, randomUUID()).catch(() => undefined);
  return answer && started(String(answer.body.id), answer.body, []);
}

/** Sends a finish before its start: main must apply it once the start arrives. */
async function finishFirst(client: ObservatoryClient, next: () => number): Promise<Acknowledged | undefined> {
  const id = randomUUID();
  const finished = await client.finish(id, { metadata: { end: true } }, randomUUID()).catch(() => undefined);
  const body = { id, obs_unit_id: 1 + Math.floor(next() * 300), metadata: { seq: 0 } };
  const answer = await client.start(body, randomUUID()).catch(() => undefined);
  if (!answer) return undefined;
  const unit = started(id, answer.body, []);
  if (finished) {
    unit.finished = true;
    note(unit, 'finish, before its start', finished.body);
  }
  return unit;
}

function started(id: string, body: unknown, files: readonly string[]): Acknowledged {
  const unit: Acknowledged = { id, seq: 0, finished: false, history: [], queuedAt: -Infinity, files };
  note(unit, 'start', body);
  return unit;
}

/** Checks that a read shows every acknowledged write. */
async function readBack({ api }: TestStack, unit: Acknowledged, written: Written): Promise<void> {
  const reply = await api(`/executed_obs_units/${unit.id}`).catch(() => undefined);
  written.reads += 1;
  if (!reply || reply.status >= 500) {
    written.refused += 1;
    return;
  }
  const { metadata, status } = reply.body as { metadata?: { seq?: number }; status?: string };
  const isThere = reply.status === 200;
  const isBehind = isThere && ((metadata?.seq ?? -1) < unit.seq || (unit.finished && status !== 'completed'));
  if (isThere && !isBehind) return;
  const what = isThere ? 'a read went backwards' : 'an acknowledged record was missing';
  written.violations.push({
    at: Date.now(),
    queuedAt: unit.queuedAt,
    what: `${what}: ${unit.id}; acknowledged: ${unit.history.join(', ')}`,
  });
}

/** Writes transactions that no operation makes, through the same steps as the accept function. */
function directWriter(stack: TestStack) {
  const parts: RecordParts = {
    redis: connectRedis({ ...stack.description.redis, timeoutMilliseconds: 300 }),
    keys: stack.keys,
    queue: new Queue({
      url: stack.description.queues.transactions,
      timeoutMilliseconds: 1500,
      maxAttempts: 1,
    }),
    verifiedTokens: new VerifiedTokens(),
    log: createLog('error', {}, () => undefined),
    answerBudgetMilliseconds: Infinity,
    limits: { budgetBytes: 1e9, requestsPerSecond: 1e6 },
    now: Date.now,
  };
  const route = { operation: 'startExecutedObsUnit', access: 'write:observations' } as const;
  const write = async (draftOf: (id: string, now: number) => Draft): Promise<unknown> => {
    const began = Date.now();
    const identity = {
      id: uuidV7(began, randomBytes(10)),
      keyDigest: randomUUID(),
      newRecordId: '',
    };
    while (Date.now() < began + 30_000) {
      const receivedAt = Date.now();
      const request = {
        ...{ route, path: '/', given: { params: {}, query: {}, body: undefined }, headers: {}, cookies: [] },
        ...{ requestId: identity.id, sourceIp: '', receivedAt, replyHeaders: new Map() },
      };
      const claimant = { kind: 'none', principalId: '1' } as const;
      const done = await record(parts, request, claimant, identity, () => draftOf(identity.id, began)).then(
        ({ body }) => body,
        () => undefined,
      );
      if (done) return done;
      await delay(100);
    }
    return undefined;
  };
  // as another instance, whose clock differs
  const skewMilliseconds = 5000;
  const heading = (id: string, now: number, aggregate: string) => ({
    ...{ id, stamp: (now + skewMilliseconds) * 1000, principal: '1', operation: 'storm' },
    aggregate,
  });
  return {
    update: (unit: string, seq: number) =>
      write((id, now) => {
        const builder = new TransactionBuilder(heading(id, now, unit), randomUUID);
        builder.update('executed_obs_unit', unit, { metadata: { seq } });
        return { transaction: builder.build(), patch: JSON.stringify({ id: unit }), status: 200 };
      }),
    startWithFiles: async (next: () => number): Promise<Acknowledged | undefined> => {
      const unit = randomUUID();
      const files = [randomUUID(), randomUUID()];
      const values = {
        obs_unit_id: 1 + Math.floor(next() * 300),
        status: 'running',
        start_time: new Date().toISOString(),
        metadata: { seq: 0 },
      };
      const done = await write((id, now) => {
        const builder = new TransactionBuilder(heading(id, now, unit), randomUUID);
        builder.create('executed_obs_unit', values, unit);
        const rest = { executed_obs_unit_id: unit };
        builder.create('raw_data_package', { ...rest, name: 'package' }, files[0]);
        builder.create('raw_data_file', { ...rest, name: 'file' }, files[1]);
        return {
          transaction: builder.build(),
          patch: JSON.stringify({ id: unit, ...values }),
          status: 201,
          start: { obs_unit_id: values.obs_unit_id, start_ms: now },
        };
      });
      return done ? started(unit, done, files) : undefined;
    },
  };
}

function note(unit: Acknowledged, what: string, body: unknown): void {
  const { sync, transaction_id: id } = body as { sync?: { stored_in?: string }; transaction_id?: string };
  const store = sync?.stored_in ?? 'both';
  if (store === 'sqs') unit.queuedAt = Date.now();
  unit.history.push(`${new Date().toISOString().slice(14, 23)} ${what} ${store} ${id ?? ''}`);
}
