/**
 * The whole system on one machine, from the same topology that is deployed: real parts, each on a loopback port of its
 * own; the functions in processes of their own; the link between site and main in between.
 */
import { SQSClient } from '@aws-sdk/client-sqs';
import { once } from 'node:events';
import { chmod, mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { redis as redisVariables } from '../../lib/config/variables.ts';
import { problem } from '../../lib/http/problem.ts';
import { migrate } from '../../lib/postgres/migrate.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { bundleFunctions, bundlePath } from '../bundle.ts';
import {
  functions,
  queues,
  triggeredBy,
  webSocketStage,
  type FunctionName,
  type ScheduledName,
} from '../topology.ts';
import { demoAccessToken, demoSecrets, loadPeople, tokenIssuer, type Secrets } from './demo-credentials.ts';
import { environmentOf, type LocalValues } from './environment.ts';
import { startEventSource } from './event-source.ts';
import { answerHttp } from './gateway/http-api.ts';
import { answerService } from './gateway/service-endpoints.ts';
import { WebSocketApi } from './gateway/web-socket-api.ts';
import { Lambda } from './lambda.ts';
import { localOrganization, localTeamRoles, startGitHub, type LocalGitHub } from './github.ts';
import { startLink, type Link } from './link.ts';
import { createClusters, rebuildReplica, startMain, startReplica, type PostgresServer } from './postgres.ts';
import { end, firstMessage, forkBound } from './process.ts';
import { startRedis, type RedisServer } from './redis.ts';
import { seed } from './seed.ts';
import { Startup } from './startup.ts';
import { createQueues, startSqs, type LocalSqs, type QueueUrls } from './sqs.ts';

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
  /** another visibility time-out of the queues than the topology's; for tests */
  readonly visibilitySeconds?: number;
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
    readonly replicas: readonly (PostgresServer & { readonly name: string })[];
    readonly redis: RedisServer;
    readonly sqs: LocalSqs;
    readonly lambdas: Record<FunctionName, Lambda>;
  };
  readonly invoke: (name: FunctionName, event: unknown) => Promise<unknown>;
  readonly runSchedule: (name: ScheduledName) => Promise<unknown>;
  /** stops what moves by itself: event sources and schedules; for tests */
  readonly quiesce: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** A frontend is developed on any port of this machine. */
const localFrontends = ['http://localhost:*', 'http://127.0.0.1:*'];

/** A developer's machine has no rate to defend, and nobody waits a quarter of an hour to see a finish without a start. */
const localSettings: LocalValues = {
  RATE_LIMIT_PER_SECOND: '20000',
  TICKETS_PER_SECOND: '1000',
  LOGINS_PER_SECOND: '1000',
  SOCKETS_PER_USER: '5000',
  START_WAIT_SECONDS: '10',
};

export async function startStack(options: StackOptions): Promise<Stack> {
  const stops: (() => Promise<unknown> | void)[] = [];
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    return await start(options, stops, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  options: StackOptions,
  stops: (() => Promise<unknown> | void)[],
  stop: () => Promise<void>,
): Promise<Stack> {
  const { directory, log } = options;
  const startup = options.startup ?? new Startup();
  const part = <T>(name: string, begin: (onLine: (line: string) => void) => Promise<T>) =>
    startup.part(name, (hear) => {
      return begin((line) => {
        hear(line);
        log(`${name}: ${line}`);
      });
    });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // of an earlier release
  await chmod(directory, 0o700);
  const bundles = join(directory, 'functions');
  // Claimed before anything else: a busy port is told at once.
  const gateway = await listening(options.httpPort);
  stops.push(() => close(gateway.server));
  const whileStarting = refuseWhileStarting(gateway.server);
  const secrets = await demoSecrets(directory);
  const starting = [
    startPostgres(options, stops, part),
    startRedisWithFront(options, stops, part, secrets.redisToken),
    part('SQS', async (onLine) => keep(stops, await startSqs(onLine))),
    part('bundles', () => bundleFunctions(bundles)),
  ] as const;
  const [postgres, { redis, upstash }, sqs] = await Promise.all(starting).catch(async (error: unknown) => {
    // the others are stopped, and for that they must be there
    await Promise.allSettled(starting);
    throw error;
  });
  const { main, replicas, link } = postgres;
  const [replica] = replicas;

  const sqsEndpoint = process.env.AWS_ENDPOINT_URL ?? sqs.endpoint;
  const sqsClient = new SQSClient({
    endpoint: sqsEndpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  stops.push(() => sqsClient.destroy());
  const queueUrls = await createQueues(sqsClient, options.visibilitySeconds);
  const services = await listening(0);
  const github = await part('GitHub', async () =>
    keep(stops, await startGitHub({ clientId: 'local', clientSecret: secrets.githubSecret })),
  );
  stops.push(() => close(services.server));

  const values: LocalValues = {
    REDIS_URL: upstash.url,
    REDIS_TOKEN: upstash.token,
    MAIN_DATABASE_URL: throughLink(main, link),
    MAIN_OWNER_DATABASE_URL: throughLink(main, link),
    REPLICAS: JSON.stringify(replicas.map(({ name, url }) => ({ name, url }))),
    JWT_PUBLIC_JWKS: JSON.stringify({ keys: [secrets.publicKey] }),
    JWT_SIGNING_JWK: JSON.stringify(secrets.privateKey),
    FRONTEND_ORIGINS: localFrontends.join(','),
    GITHUB_URL: github.url,
    GITHUB_API_URL: github.apiUrl,
    GITHUB_CLIENT_ID: 'local',
    GITHUB_CLIENT_SECRET: secrets.githubSecret,
    GITHUB_CALLBACK_URL: `${gateway.url}/github/callback`,
    GITHUB_ORGANIZATION: localOrganization,
    GITHUB_TEAM_ROLES: JSON.stringify(localTeamRoles),
    JWT_ISSUER: tokenIssuer.issuer,
    JWT_AUDIENCE: tokenIssuer.audience,
    WEBSOCKET_ENDPOINT: `${services.url}/${webSocketStage}`,
    ...localSettings,
    ...options.settings,
  };
  const endpoints = { AWS_ENDPOINT_URL_SQS: sqsEndpoint, AWS_ENDPOINT_URL_LAMBDA: services.url };
  const lambdas = startLambdas(bundles, queueUrls, values, endpoints, log);
  stops.push(() => Promise.all(Object.values(lambdas).map((each) => each.stop())));
  const invoke = (name: FunctionName, event: unknown) => lambdas[name].invoke(event);
  const runSchedule = (name: ScheduledName) => invoke(name, { source: 'aws.scheduler' });

  const keys = keysOf(values.REDIS_PREFIX ?? redisVariables.REDIS_PREFIX.source.value);
  await loadPeople({ redis: connectRedis(upstash), keys: keys }, secrets, main.url);
  const warm = [lambdas.accept, lambdas.accept, lambdas.query, lambdas.apply, lambdas.confirm];
  const alsoWarm = [lambdas.health, lambdas.authenticate, lambdas.connect];
  await part('functions', () => Promise.all([...warm, ...alsoWarm].map((each) => each.warmUp())));

  const webSockets = new WebSocketApi(invoke);
  stops.push(() => webSockets.stop());
  whileStarting.end();
  gateway.server.on(
    'request',
    (request, response) => void answerOr500(answerHttp(invoke, request, response), response),
  );
  gateway.server.on('upgrade', (request, socket, head) => void webSockets.upgrade(request, socket, head));
  services.server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    void answerOr500(answerService(webSockets, invoke, request, response), response);
  });
  const movers: (() => Promise<void>)[] = [];
  for (const { name, trigger } of triggeredBy('queue')) {
    const spec = queues[trigger.queue];
    const source = startEventSource(sqsClient, {
      queueUrl: queueUrls[trigger.queue].url,
      spec,
      batchSize: trigger.batchSize,
      lambda: lambdas[name],
      maximumConcurrency: functions[name].concurrency,
      onError: (error) => log(`event source ${spec.name}: ${String(error)}`),
    });
    movers.push(() => source.stop());
  }
  if (options.runSchedules ?? true) movers.push(startSchedules(runSchedule, log));
  const quiesce = async () => {
    await Promise.all(movers.splice(0).map((each) => each()));
  };
  stops.push(quiesce);

  const now = Math.floor(Date.now() / 1000);
  return {
    description: {
      pid: process.pid,
      http: gateway.url,
      page: `${gateway.url}/`,
      websocket: gateway.url.replace('http', 'ws'),
      tokens: {
        service: secrets.serviceToken,
        viewer: await demoAccessToken(secrets, 'viewer', now),
        admin: await demoAccessToken(secrets, 'admin', now),
      },
      main: main.url,
      replica: replica.url,
      redis: upstash,
      sqs: sqsEndpoint,
      queues: {
        transactions: queueUrls.transactions.url,
        replicationChecks: queueUrls.replicationChecks.url,
      },
      link: link.controlUrl,
    },
    redisEngine: redis.engine,
    redisSurvivesRestart: redis.survivesRestart,
    link,
    secrets,
    services: services.url,
    parts: {
      github,
      main,
      replica,
      replicas,
      redis,
      sqs,
      lambdas,
    },
    invoke,
    runSchedule,
    quiesce,
    stop,
  };
}

type Stops = (() => Promise<unknown> | void)[];

type Part = <T>(name: string, start: (onLine: (line: string) => void) => Promise<T>) => Promise<T>;

async function startPostgres(options: StackOptions, stops: Stops, part: Part) {
  const postgres = { directory: join(options.directory, 'postgres'), durable: options.durable };
  const main = await part('Postgres main', async (onLine) => {
    await createClusters(postgres);
    return keep(stops, await startMain({ ...postgres, onLine }));
  });
  const { roundTripMilliseconds } = options;
  const link = keep(stops, await startLink({ targetPort: main.port, roundTripMilliseconds }));
  const migrations = fileURLToPath(new URL('../../lib/postgres/migrations', import.meta.url));
  await part('schema of main', async (onLine) => {
    await migrate(main.url, migrations, onLine);
    await seed(main.url);
  });
  const startNamed = (name: string) =>
    part(`Postgres replica ${name}`, async (onLine) => {
      const server = await startReplica({ ...postgres, mainPort: link.port, name, onLine });
      return { name, ...keep(stops, server) };
    });
  const replicas: Replicas = [await startNamed('site')];
  for (let n = 2; n <= (options.replicas ?? 1); n += 1) {
    await rebuildReplica(postgres, main.url, `site_${n}`);
    replicas.push(await startNamed(`site_${n}`));
  }
  return { main, replicas, link };
}

async function startRedisWithFront(
  { directory }: StackOptions,
  stops: Stops,
  part: Part,
  token: string,
): Promise<{
  readonly redis: RedisServer;
  readonly upstash: { readonly url: string; readonly token: string };
}> {
  const redis = await part('Redis', async (onLine) =>
    keep(stops, await startRedis(join(directory, 'redis'), undefined, { onLine })),
  );
  const port = await part('Redis over HTTP', async (onLine) => {
    const front = forkBound(new URL('upstash.process.ts', import.meta.url), [String(redis.port)], {
      environment: { ...process.env, UPSTASH_TOKEN: token },
      onLine,
    });
    stops.push(() => end(front, 'SIGTERM'));
    return Number(await firstMessage(front));
  });
  return { redis, upstash: { url: `http://127.0.0.1:${port}`, token } };
}

type NamedServer = PostgresServer & { readonly name: string };
type Replicas = [NamedServer, ...NamedServer[]];

function startLambdas(
  bundles: string,
  queueUrls: Record<keyof typeof queues, QueueUrls>,
  values: LocalValues,
  endpoints: Record<string, string>,
  log: (line: string) => void,
): Record<FunctionName, Lambda> {
  return Object.fromEntries(
    Object.entries(functions).map(([key, spec]) => {
      const name = key as FunctionName;
      const variables = { ...environmentOf(name, queueUrls, values), ...endpoints };
      const onLine = (line: string) => log(`${name}: ${line}`);
      return [
        name,
        new Lambda({ name, spec, bundle: bundlePath(bundles, name), environment: variables, onLine }),
      ];
    }),
  ) as Record<FunctionName, Lambda>;
}

function startSchedules(
  run: (name: ScheduledName) => Promise<unknown>,
  log: (line: string) => void,
): () => Promise<void> {
  const timers = triggeredBy('schedule').map(({ name, trigger }) =>
    setInterval(() => {
      run(name).catch((error: unknown) => log(`schedule ${name}: ${String(error)}`));
    }, trigger.everySeconds * 1000),
  );
  return async () => timers.forEach((timer) => clearInterval(timer));
}

function keep<T extends { readonly stop: () => Promise<void> }>(stops: Stops, part: T): T {
  stops.push(() => part.stop());
  return part;
}

function throughLink(main: PostgresServer, link: Link): string {
  const url = new URL(main.url);
  url.port = String(link.port);
  return url.href;
}

async function listening(port: number): Promise<{ server: Server; url: string }> {
  const server = createServer();
  server.keepAliveTimeout = 65_000;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const startingSeconds = 2;

/** A request that comes before the parts are up is answered at once: nothing is recorded, and it may come again. */
function refuseWhileStarting(server: Server): { readonly end: () => void } {
  const { problem: body, headers } = problem.unavailable(
    'The system is starting. Nothing was recorded: repeat the request in a moment.',
    startingSeconds,
    { recorded: false },
  );
  const text = JSON.stringify(body);
  const all = { ...headers, 'Content-Type': 'application/problem+json' };
  const refuse = (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(body.status, { ...all, Connection: 'close' }).end(text);
  };
  const refuseSocket = (_request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => undefined);
    socket.end(
      `HTTP/1.1 503 Service Unavailable\r\nRetry-After: ${startingSeconds}\r\nConnection: close\r\n\r\n`,
    );
  };
  server.on('request', refuse).on('upgrade', refuseSocket);
  return { end: () => void server.off('request', refuse).off('upgrade', refuseSocket) };
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
}

async function answerOr500(answering: Promise<void>, response: ServerResponse): Promise<void> {
  try {
    await answering;
  } catch {
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end();
  }
}
