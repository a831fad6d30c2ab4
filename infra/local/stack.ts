/**
 * The whole system on one machine, from the same topology that is deployed: real parts, each on a loopback port of its
 * own; the functions in processes of their own; the link between site and main in between.
 */
import { chmod, mkdir } from 'node:fs/promises';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { redis as redisVariables } from '../../lib/config/variables.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { bundleFunctions } from '../bundle.ts';
import type { FunctionName, ScheduledName } from '../topology.ts';
import { AsynchronousInvocations } from './asynchronous-invocations.ts';
import { startDatabases, type Databases } from './databases.ts';
import { demoAccessToken, demoSecrets, loadPeople, type Secrets } from './demo-credentials.ts';
import type { LocalValues } from './environment.ts';
import { answerHttp, type Invoke } from './gateway/http-api.ts';
import { answerService, type ServiceParts } from './gateway/service-endpoints.ts';
import { accountBucket, WebSocketApi } from './gateway/web-socket-api.ts';
import { startGitHub, type LocalGitHub } from './github.ts';
import { makeLambdas, warmUp, type LambdaRules, type Lambdas } from './lambdas.ts';
import type { Link } from './link.ts';
import { answerOr500, close, listening } from './loopback-server.ts';
import { startMessageQueues, type MessageQueues } from './message-queues.ts';
import { Parts } from './parts.ts';
import type { PostgresServer } from './postgres.ts';
import { startRedisOverHttp, type RedisOverHttp } from './redis-over-http.ts';
import type { RedisServer } from './redis.ts';
import { refuseWhileStarting } from './refuse-while-starting.ts';
import type { LocalSqs } from './sqs.ts';
import type { Startup } from './startup.ts';
import { startTriggers } from './triggers.ts';
import { localValues } from './values.ts';

export interface StackOptions {
  /** where data lives */
  readonly directory: string;
  /** 0 = any free one */
  readonly httpPort: number;
  readonly roundTripMilliseconds: number;
  /** false: faster, and lost with the machine's power; for tests */
  readonly durable: boolean;
  /** settings of the topology with other values than on AWS */
  readonly settings?: LocalValues;
  /** false: schedules run only when `runSchedule` is called; for tests */
  readonly runSchedules?: boolean;
  /** how many replicas stand at the site; for tests */
  readonly replicas?: number;
  /** other rules than those of AWS; for tests */
  readonly rules?: LambdaRules;
  /** another visibility time-out of the queues than the topology's; for tests */
  readonly visibilitySeconds?: number;
  /** where `bundleFunctions` has written the functions already; for tests */
  readonly bundles?: string;
  readonly log: (line: string) => void;
  /** hears of each part as it comes up */
  readonly startup?: Startup;
}

/** What clients of the local stack need: the content of `stack.json`. */
export interface StackDescription {
  readonly pid: number;
  readonly http: string;
  /** what a browser opens */
  readonly page: string;
  readonly websocket: string;
  readonly tokens: { readonly service: string; readonly viewer: string; readonly admin: string };
  readonly main: string;
  readonly replica: string;
  readonly redis: { readonly url: string; readonly token: string };
  readonly sqs: string;
  readonly queues: { readonly transactions: string; readonly replicationChecks: string };
  readonly link: string;
}

export interface Stack {
  readonly description: StackDescription;
  readonly redisEngine: string;
  readonly redisSurvivesRestart: boolean;
  readonly link: Link;
  readonly secrets: Secrets;
  /** where the functions reach `@connections` and Lambda's Invoke */
  readonly services: string;
  /** the running parts, to be stopped and killed by tests */
  readonly parts: {
    readonly github: LocalGitHub;
    readonly main: PostgresServer;
    readonly replica: PostgresServer;
    /** all of them, nearest first */
    readonly replicas: Databases['replicas'];
    readonly redis: RedisServer;
    readonly sqs: LocalSqs;
    readonly lambdas: Lambdas;
  };
  readonly invoke: (name: FunctionName, event: unknown) => Promise<unknown>;
  readonly runSchedule: (name: ScheduledName) => Promise<unknown>;
  /** stops what moves by itself: event sources and schedules; for tests */
  readonly quiesce: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** @throws Error that names the part that did not start; the others have been stopped then */
export async function startStack(options: StackOptions): Promise<Stack> {
  const parts = new Parts(options.log, options.startup);
  try {
    return await start(options, parts);
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

async function start(options: StackOptions, parts: Parts): Promise<Stack> {
  const { directory, log } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // of an earlier release
  await chmod(directory, 0o700);
  // Claimed before anything else: a busy port is told at once.
  const gateway = await listening(options.httpPort);
  parts.onStop(() => close(gateway.server));
  const refusing = refuseWhileStarting(gateway.server);
  const secrets = await demoSecrets(directory);
  const bundles = options.bundles ?? join(directory, 'functions');
  const stores = await startStores(options, secrets, bundles, parts);
  const { databases, upstash, queues } = stores;
  const services = await listening(0);
  parts.onStop(() => close(services.server));
  const github = await parts.start('GitHub', async () =>
    parts.keep(await startGitHub({ clientId: 'local', clientSecret: secrets.githubSecret })),
  );

  const known = { databases, upstash, github, secrets, gateway: gateway.url, services: services.url };
  const values = { ...localValues(known), ...options.settings };
  const rules = options.rules ?? {};
  const lambdas = makeLambdas({ bundles, queues, values, services: services.url, rules, log }, parts);
  const keys = keysOf(values.REDIS_PREFIX ?? redisVariables.REDIS_PREFIX.source.value);
  await loadPeople({ redis: connectRedis(upstash), keys }, secrets, databases.main.url);
  await parts.start('functions', () => warmUp(lambdas));

  const invoke: Invoke = (name, event, trace) => lambdas[name].invoke(event, trace);
  const asynchronous = new AsynchronousInvocations(invoke);
  const runSchedule = (name: ScheduledName) => asynchronous.submit(name, { source: 'aws.scheduler' });
  refusing.end();
  openGateways({ gateway: gateway.server, services: services.server }, { invoke, asynchronous }, parts);
  const runsSchedules = options.runSchedules ?? true;
  const quiesce = startTriggers({
    lambdas,
    queues,
    runSchedule: runsSchedules ? runSchedule : undefined,
    rules,
    log,
  });
  parts.onStop(quiesce);
  return {
    description: await describe(stores, secrets, gateway.url),
    redisEngine: stores.redis.engine,
    redisSurvivesRestart: stores.redis.survivesRestart,
    link: databases.link,
    secrets,
    services: services.url,
    parts: {
      github,
      main: databases.main,
      replica: databases.replicas[0],
      replicas: databases.replicas,
      redis: stores.redis,
      sqs: queues.sqs,
      lambdas,
    },
    invoke,
    runSchedule,
    quiesce,
    stop: () => parts.stop(),
  };
}

interface Stores extends RedisOverHttp {
  readonly databases: Databases;
  readonly queues: MessageQueues;
}

/** The stores, and the bundles of the functions, side by side. */
async function startStores(
  options: StackOptions,
  { redisToken }: Secrets,
  bundles: string,
  parts: Parts,
): Promise<Stores> {
  const starting = [
    startDatabases(options, parts),
    startRedisOverHttp(options.directory, redisToken, parts),
    startMessageQueues(options.visibilitySeconds, parts),
    parts.start('bundles', async () => options.bundles ?? (await bundleFunctions(bundles))),
  ] as const;
  try {
    const [databases, redisOverHttp, queues] = await Promise.all(starting);
    return { databases, ...redisOverHttp, queues };
  } catch (error) {
    // the others are stopped, and for that they must be there
    await Promise.allSettled(starting);
    throw error;
  }
}

/** From now on both gateways, and the services of AWS that functions call, invoke the functions. */
function openGateways(
  { gateway, services }: { readonly gateway: Server; readonly services: Server },
  { invoke, asynchronous }: ServiceParts,
  parts: Parts,
): void {
  // an account has one rate for all its APIs
  const account = accountBucket();
  const webSockets = new WebSocketApi(invoke, { account });
  parts.onStop(() => webSockets.stop());
  gateway.on(
    'request',
    (request, response) => void answerOr500(answerHttp(invoke, request, response, account), response),
  );
  gateway.on('upgrade', (request, socket, head) => void webSockets.upgrade(request, socket, head));
  services.on(
    'request',
    (request, response) =>
      void answerOr500(answerService(webSockets, { invoke, asynchronous }, request, response), response),
  );
}

async function describe(
  { databases, upstash, queues }: Stores,
  secrets: Secrets,
  http: string,
): Promise<StackDescription> {
  const now = Math.floor(Date.now() / 1000);
  return {
    pid: process.pid,
    http,
    page: `${http}/`,
    websocket: http.replace('http', 'ws'),
    tokens: {
      service: secrets.serviceToken,
      viewer: await demoAccessToken(secrets, 'viewer', now),
      admin: await demoAccessToken(secrets, 'admin', now),
    },
    main: databases.main.url,
    replica: databases.replicas[0].url,
    redis: upstash,
    sqs: queues.endpoint,
    queues: {
      transactions: queues.urls.transactions.url,
      replicationChecks: queues.urls.replicationChecks.url,
    },
    link: databases.link.controlUrl,
  };
}
