/** Counted instead of timed: calls per accepted write, and statements per batch. */
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { bundlePath } from '../../infra/bundle.ts';
import { tokenIssuer } from '../../infra/local/demo-credentials.ts';
import { environmentOf } from '../../infra/local/environment.ts';
import { answerHttp } from '../../infra/local/gateway/http-api.ts';
import { Lambda } from '../../infra/local/lambda.ts';
import { defaultFreeze } from '../../infra/local/limits/freeze.ts';
import { functions } from '../../infra/topology.ts';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import { testBundles } from '../support/test-bundles.ts';
import { countRequests, type CountingProxy } from '../support/counting-proxy.ts';
import {
  apiOf,
  finishUnit,
  startTestStack,
  startUnit,
  type Api,
  type TestStack,
} from '../support/test-stack.ts';

let stack: TestStack;
let redis: CountingProxy;
let sqs: CountingProxy;
let lambda: Lambda;
let server: Server;
let api: Api;

beforeAll(async () => {
  stack = await startTestStack();
  const { description, secrets } = stack;
  redis = await countRequests(description.redis.url);
  sqs = await countRequests(description.sqs);
  const url = description.queues.transactions.replace(description.sqs, sqs.url);
  const urls = { url, deadLetterUrl: url };
  lambda = new Lambda({
    name: 'accept',
    spec: functions.accept,
    rules: {
      concurrency: functions.accept.concurrency,
      instances: functions.accept.concurrency,
      longestChain: Infinity,
      coldStartMilliseconds: 0,
      freeze: defaultFreeze,
    },
    bundle: bundlePath(await testBundles(), 'accept'),
    environment: {
      ...environmentOf(
        'accept',
        { transactions: urls, replicationChecks: urls },
        {
          REDIS_URL: redis.url,
          REDIS_TOKEN: description.redis.token,
          JWT_PUBLIC_JWKS: JSON.stringify({ keys: [secrets.publicKey] }),
          JWT_ISSUER: tokenIssuer.issuer,
          JWT_AUDIENCE: tokenIssuer.audience,
          ANSWER_BUDGET_MS: 'always',
        },
      ),
      AWS_ENDPOINT_URL_SQS: sqs.url,
    },
    onLine: () => undefined,
  });
  await lambda.warmUp();
  server = createServer((request, response) => {
    void answerHttp((_name, event) => lambda.invoke(event), request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  api = apiOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, description.tokens.service);
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await lambda.stop();
  redis.stop();
  sqs.stop();
  await stack.stop();
});

it('accept makes one Redis round trip and one SQS call', async () => {
  const first = await startUnit(api);
  await finishUnit(api, first.body.id);
  const before = [redis.count(), sqs.count()];
  const started = await startUnit(api, { obs_unit_id: 8 }, randomUUID());
  expect(started.status).toBe(201);
  expect([redis.count(), sqs.count()]).toEqual(before.map((count) => count + 1));
  expect((await finishUnit(api, started.body.id)).status).toBe(200);
  expect([redis.count(), sqs.count()]).toEqual(before.map((count) => count + 2));
});

it('accept refuses with at most one Redis round trip and no SQS call', async () => {
  const before = [redis.count(), sqs.count()];
  expect((await startUnit(api, { obs_unit_id: 'x' })).status).toBe(400);
  expect([redis.count(), sqs.count()]).toEqual(before);
  const [{ status }] = [await api('/executed_obs_units/start', { method: 'POST', body: {}, token: 'x' })];
  expect(status).toBe(401);
  expect([redis.count(), sqs.count()]).toEqual(before);
  const { service } = stack.description.tokens;
  for (const mistyped of [service.slice(0, -1), service.slice(0, -1) + (service.endsWith('0') ? '1' : '0')]) {
    const start = { method: 'POST', body: { obs_unit_id: 1 }, token: mistyped };
    const { body } = await api('/executed_obs_units/start', start);
    expect(body).toMatchObject({ status: 401, detail: 'The API token is mistyped or truncated.' });
  }
  expect([redis.count(), sqs.count()]).toEqual(before);
});

it('apply sends two statements for a batch of any size, poison included', async () => {
  const transactions = Array.from({ length: 500 }, (_, n) => {
    const id = randomUUID();
    const builder = new TransactionBuilder(
      { id: randomUUID(), stamp: Date.now() * 1000 + n, aggregate: id, principal: '1', operation: 'test' },
      randomUUID,
    );
    const status = n % 50 === 0 ? 'no such status' : 'running';
    builder.create('executed_obs_unit', { obs_unit_id: 7, status, start_time: '2026-10-01T00:00:00Z' }, id);
    return builder.build();
  });
  const queries = vi.spyOn(pg.Client.prototype, 'query');
  const { rows } = await applyTransactions(stack.main, transactions, 900);
  const sent = queries.mock.calls.length;
  queries.mockRestore();
  expect(rows.filter(({ outcome }) => outcome === 'applied')).toHaveLength(490);
  expect(rows.filter(({ outcome }) => outcome === 'parked')).toHaveLength(10);
  expect(sent).toBe(2);
});
