import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { Canaries } from './canaries.ts';
import { checkAnswer } from './check-answer.ts';
import { testBundles } from './test-bundles.ts';
import { testPool } from './test-pool.ts';
import { startStack, type Stack, type StackOptions } from '../../infra/local/stack.ts';
import { connectRedis, type Redis } from '../../lib/redis/client.ts';
import { keysOf, type Keys } from '../../lib/redis/keys.ts';
import type { Site } from '../../lib/redis/site.ts';

export interface TestStack extends Stack {
  readonly directory: string;
  readonly api: Api;
  readonly main: pg.Pool;
  readonly replica: pg.Pool;
  readonly redisClient: Redis;
  readonly keys: Keys;
  readonly site: Site;
  /** the log lines of the functions */
  readonly logs: string[];
  /** searches for leaked credentials; `stop` does so too. @throws Error that names their places */
  readonly findSecrets: () => Promise<void>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** {} unless it is JSON */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Request {
  readonly method?: string;
  readonly body?: unknown;
  /** body sent unchanged */
  readonly text?: string;
  readonly key?: string;
  /** undefined: the service token; null: no header */
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Api = (path: string, request?: Request) => Promise<Reply>;

/**
 * Starts the whole system on free ports in a directory of its own, over a fast link. Schedules run only on demand.
 * Call the returned `stop` at the end.
 */
export async function startTestStack(
  options: Partial<StackOptions> & {
    /** false if the test stops parts of the stack and searches for secrets itself */
    readonly looksForSecrets?: boolean;
  } = {},
): Promise<TestStack> {
  // benchmarks skip the search
  const { looksForSecrets = process.env.VITEST !== undefined, ...stackOptions } = options;
  const directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
  const logs: string[] = [];
  const stack = await startStack({
    directory,
    httpPort: 0,
    roundTripMilliseconds: 10,
    durable: false,
    runSchedules: false,
    log: (line) => logs.push(line),
    ...(process.env.VITEST !== undefined && { bundles: await testBundles() }),
    ...stackOptions,
  });
  const { description } = stack;
  const main = testPool(description.main);
  const replica = testPool(description.replica);
  const canaries = new Canaries({
    [stack.secrets.redisToken]: 'the token of Redis',
    [stack.secrets.githubSecret]: 'the secret of the GitHub app',
    [String(stack.secrets.privateKey.d)]: 'the signing key',
  });
  const ask = apiOf(description.http, description.tokens.service);
  const findSecrets = () => {
    const { parts } = stack;
    const { sqs, queues } = description;
    return canaries.find({ logs, redisPort: parts.redis.port, sqs, queues: Object.values(queues), main });
  };
  const [redisClient, keys] = [connectRedis(description.redis), keysOf('ops')];
  return {
    ...stack,
    directory,
    api: async (path, request = {}) => {
      const reply = await ask(path, request);
      checkAnswer(request.method ?? 'GET', path, reply);
      canaries.collect({ token: description.tokens.service, ...request }, reply);
      return reply;
    },
    main,
    replica,
    redisClient,
    keys,
    site: { redis: redisClient, keys },
    logs,
    findSecrets,
    stop: async () => {
      try {
        await stack.quiesce();
        if (looksForSecrets) await findSecrets();
      } finally {
        await Promise.all([main.end(), replica.end()]);
        await stack.stop();
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

export function apiOf(origin: string, serviceToken: string): Api {
  return async (path, { method = 'GET', body, text, key, token = serviceToken, headers = {} } = {}) => {
    const content = text ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(origin + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(token !== null && { Authorization: `Bearer ${token}` }),
        ...(content !== undefined && { 'Content-Type': 'application/json' }),
        ...(key !== undefined && { 'Idempotency-Key': key }),
        ...headers,
      },
      ...(content !== undefined && { body: content }),
    });
    const answer = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson && answer !== '' ? JSON.parse(answer) : {}) as Reply['body'],
    };
  };
}

/** Starts an executed unit. */
export function startUnit(api: Api, body: object = { obs_unit_id: 7 }, key?: string): Promise<Reply> {
  return api('/executed_obs_units/start', { method: 'POST', body, ...(key !== undefined && { key }) });
}

/** Finishes an executed unit. */
export function finishUnit(api: Api, id: unknown, body: object = {}, key?: string): Promise<Reply> {
  return api(`/executed_obs_units/${String(id)}/finish`, {
    method: 'PUT',
    body,
    ...(key !== undefined && { key }),
  });
}
