/**
 * The one wiring list: functions, queues, schedules, concurrency and environment, each named once.
 * The CDK app and the local stack both read it; a test holds the two against each other.
 */
import { routes, type FunctionWithRoutes } from '../lib/http/routes.ts';

/** Where the value of an environment variable comes from. */
export type EnvironmentSource =
  /** the same everywhere unless a deployment overrides it by CDK context `settings` */
  | { readonly kind: 'setting'; readonly value: string }
  /** must be given by the deployment, unless it begins with `initially`; the local stack gives its own */
  | { readonly kind: 'deployment'; readonly describes: string; readonly initially?: string }
  /** a field of a JSON secret, by reference */
  | { readonly kind: 'secret'; readonly secret: SecretName; readonly field: string }
  /** `probed`: it is only looked whether the queue is there */
  | {
      readonly kind: 'queueUrl';
      readonly queue: QueueName;
      readonly deadLetter?: true;
      readonly probed?: true;
    }
  | { readonly kind: 'functionName'; readonly function: FunctionName }
  /** what the deployment names for CORS too */
  | { readonly kind: 'frontendOrigins' }
  /** the `@connections` endpoint of the WebSocket API, with its stage */
  | { readonly kind: 'managementEndpoint' };

export type SecretName = 'redis' | 'main' | 'replicas' | 'jwt' | 'github';
export type QueueName = 'transactions' | 'replicationChecks';
export type FunctionName =
  FunctionWithRoutes | 'apply' | 'confirm' | 'sweep' | 'connect' | 'broadcast' | 'migrate';

export const environment = {
  LOG_LEVEL: { kind: 'setting', value: 'info' },
  /** CloudFormation reads secrets only for functions that change otherwise: this changes them all. */
  CREDENTIALS_VERSION: {
    kind: 'deployment',
    describes: 'another one than before whenever a secret has changed',
    initially: '1',
  },
  REDIS_URL: { kind: 'secret', secret: 'redis', field: 'url' },
  REDIS_TOKEN: { kind: 'secret', secret: 'redis', field: 'token' },
  /** Everything of one observatory in a shared Redis stands below this prefix. */
  REDIS_PREFIX: { kind: 'setting', value: 'ops' },
  MAIN_DATABASE_URL: { kind: 'secret', secret: 'main', field: 'url' },
  /** The role that owns the schema; only the migration uses it. */
  MAIN_OWNER_DATABASE_URL: { kind: 'secret', secret: 'main', field: 'ownerUrl' },
  /** JSON: [{"name": "site", "url": "postgres://…"}, …], nearest first */
  REPLICAS: { kind: 'secret', secret: 'replicas', field: 'replicas' },
  TRANSACTIONS_QUEUE_URL: { kind: 'queueUrl', queue: 'transactions' },
  PROBED_QUEUE_URL: { kind: 'queueUrl', queue: 'transactions', probed: true },
  TRANSACTIONS_DEAD_LETTER_QUEUE_URL: { kind: 'queueUrl', queue: 'transactions', deadLetter: true },
  REPLICATION_CHECKS_QUEUE_URL: { kind: 'queueUrl', queue: 'replicationChecks' },
  REPLICATION_CHECKS_DEAD_LETTER_QUEUE_URL: {
    kind: 'queueUrl',
    queue: 'replicationChecks',
    deadLetter: true,
  },
  /** JWKS with the public keys that verify access tokens */
  JWT_PUBLIC_JWKS: { kind: 'secret', secret: 'jwt', field: 'jwks' },
  /** the private key that signs access tokens; its public half is in the set above */
  JWT_SIGNING_JWK: { kind: 'secret', secret: 'jwt', field: 'signing' },
  JWT_ISSUER: { kind: 'deployment', describes: 'issuer of the access tokens: the public origin of this API' },
  /** pages of these origins may log people in and use their sessions */
  FRONTEND_ORIGINS: { kind: 'frontendOrigins' },
  GITHUB_URL: { kind: 'setting', value: 'https://github.com' },
  GITHUB_API_URL: { kind: 'setting', value: 'https://api.github.com' },
  GITHUB_CLIENT_ID: { kind: 'secret', secret: 'github', field: 'clientId' },
  GITHUB_CLIENT_SECRET: { kind: 'secret', secret: 'github', field: 'clientSecret' },
  GITHUB_CALLBACK_URL: {
    kind: 'deployment',
    describes: 'as registered with the GitHub app: …/github/callback on the public origin of this API',
  },
  GITHUB_ORGANIZATION: { kind: 'deployment', describes: 'GitHub organisation whose members may log in' },
  /** JSON: {"organization/team": "admin", …}; the strongest of one's teams counts */
  GITHUB_TEAM_ROLES: { kind: 'setting', value: '{}' },
  /** of members in none of these teams */
  GITHUB_MEMBER_ROLE: { kind: 'setting', value: 'viewer' },
  /** After so long people log in anew. */
  SESSION_HOURS: { kind: 'setting', value: '12' },
  /** While main or GitHub is out of reach a session goes on for so much longer. */
  OUTAGE_SESSION_HOURS: { kind: 'setting', value: '24' },
  /** of one address, before anybody is known */
  LOGINS_PER_SECOND: { kind: 'setting', value: '10' },
  JWT_AUDIENCE: { kind: 'setting', value: 'ops-db' },
  /** Accept answers without waiting longer than this for SQS, counted from the request. */
  ANSWER_BUDGET_MS: { kind: 'setting', value: '15' },
  /** How long accept waits for Redis before it falls back to SQS alone. */
  REDIS_TIMEOUT_MS: { kind: 'setting', value: '300' },
  /** What the buffer may hold before it counts as full. */
  BUFFER_BUDGET_BYTES: { kind: 'setting', value: String(512 * 1024 * 1024) },
  RATE_LIMIT_PER_SECOND: { kind: 'setting', value: '100' },
  /** A finish whose start has not come for so long, main in reach, is shown as failed. */
  START_WAIT_SECONDS: { kind: 'setting', value: '900' },
  WEBSOCKET_ENDPOINT: { kind: 'managementEndpoint' },
  BROADCAST_FUNCTION_NAME: { kind: 'functionName', function: 'broadcast' },
  /** A broadcaster hands over after this; below Lambda's limit of 900 s. */
  BROADCAST_LIFETIME_SECONDS: { kind: 'setting', value: '840' },
  TICKETS_PER_SECOND: { kind: 'setting', value: '10' },
  SOCKETS_PER_USER: { kind: 'setting', value: '20' },
} as const satisfies Record<string, EnvironmentSource>;

export type EnvironmentName = keyof typeof environment;

export interface FunctionSpec {
  /** the entry module; exports `handler` */
  readonly entry: string;
  readonly description: string;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  /** most instances at once: reserved concurrency, or the event source's maximum */
  readonly concurrency: number;
  /** needs a network path to Postgres */
  readonly database: boolean;
  /** of invocations that nobody waits for */
  readonly asynchronous?: { readonly retries: number; readonly maxAgeSeconds: number };
  readonly environment: readonly EnvironmentName[];
}

const redis = ['LOG_LEVEL', 'CREDENTIALS_VERSION', 'REDIS_URL', 'REDIS_TOKEN', 'REDIS_PREFIX'] as const;
const jwt = ['JWT_PUBLIC_JWKS', 'JWT_ISSUER', 'JWT_AUDIENCE'] as const;
const transactionsQueue = ['TRANSACTIONS_QUEUE_URL'] as const;
const checksQueue = ['REPLICATION_CHECKS_QUEUE_URL'] as const;

export const functions = {
  accept: {
    entry: 'functions/accept/accept.handler.ts',
    description: 'authenticate → build → buffer → enqueue → 201',
    timeoutSeconds: 5,
    memoryMegabytes: 1024,
    concurrency: 10,
    database: false,
    environment: [
      ...redis,
      ...jwt,
      ...transactionsQueue,
      'ANSWER_BUDGET_MS',
      'REDIS_TIMEOUT_MS',
      'BUFFER_BUDGET_BYTES',
      'RATE_LIMIT_PER_SECOND',
    ],
  },
  query: {
    entry: 'functions/query/query.handler.ts',
    description: 'smart query for scripts, plain query for the UI',
    timeoutSeconds: 29,
    memoryMegabytes: 1024,
    concurrency: 10,
    database: true,
    environment: [...redis, ...jwt, 'REPLICAS', 'RATE_LIMIT_PER_SECOND'],
  },
  health: {
    entry: 'functions/health/health.handler.ts',
    description: 'whether writes can be accepted; never behind anything that takes long',
    timeoutSeconds: 5,
    memoryMegabytes: 512,
    concurrency: 5,
    database: true,
    environment: [...redis, 'PROBED_QUEUE_URL', 'REPLICAS'],
  },
  decide: {
    entry: 'functions/decide/decide.handler.ts',
    description: 'retry or discard what main has set aside',
    timeoutSeconds: 15,
    memoryMegabytes: 512,
    concurrency: 2,
    database: true,
    environment: [
      ...redis,
      ...jwt,
      ...transactionsQueue,
      'REPLICAS',
      'BUFFER_BUDGET_BYTES',
      'RATE_LIMIT_PER_SECOND',
    ],
  },
  authenticate: {
    entry: 'functions/authenticate/authenticate.handler.ts',
    description: 'logins, sessions, users, API tokens and socket tickets',
    timeoutSeconds: 15,
    memoryMegabytes: 512,
    concurrency: 5,
    database: false,
    environment: [
      ...redis,
      ...jwt,
      ...transactionsQueue,
      'JWT_SIGNING_JWK',
      'FRONTEND_ORIGINS',
      'GITHUB_URL',
      'GITHUB_API_URL',
      'GITHUB_CLIENT_ID',
      'GITHUB_CLIENT_SECRET',
      'GITHUB_CALLBACK_URL',
      'GITHUB_ORGANIZATION',
      'GITHUB_TEAM_ROLES',
      'GITHUB_MEMBER_ROLE',
      'SESSION_HOURS',
      'OUTAGE_SESSION_HOURS',
      'LOGINS_PER_SECOND',
      'TICKETS_PER_SECOND',
      'BUFFER_BUDGET_BYTES',
      'RATE_LIMIT_PER_SECOND',
    ],
  },
  describe: {
    entry: 'functions/describe/describe.handler.ts',
    description: 'what needs no credential and no store: index, problems, documents; what no route matches',
    timeoutSeconds: 5,
    memoryMegabytes: 256,
    concurrency: 2,
    database: false,
    environment: ['LOG_LEVEL', 'CREDENTIALS_VERSION'],
  },
  apply: {
    entry: 'functions/process/apply.handler.ts',
    description: 'apply a batch on main → capture LSN → mark → publish',
    timeoutSeconds: 15,
    memoryMegabytes: 512,
    concurrency: 5,
    database: true,
    environment: [
      ...redis,
      ...transactionsQueue,
      ...checksQueue,
      'MAIN_DATABASE_URL',
      'REPLICAS',
      'START_WAIT_SECONDS',
    ],
  },
  confirm: {
    entry: 'functions/process/confirm.handler.ts',
    description: 'replica has the inbox rows? clean : look again later',
    timeoutSeconds: 15,
    memoryMegabytes: 512,
    concurrency: 2,
    database: true,
    environment: [...redis, ...transactionsQueue, ...checksQueue, 'REPLICAS'],
  },
  sweep: {
    entry: 'functions/sweep/sweep.handler.ts',
    description: 'every minute: send again, confirm, relay, prune',
    timeoutSeconds: 55,
    memoryMegabytes: 512,
    concurrency: 1,
    database: true,
    environment: [
      ...redis,
      ...transactionsQueue,
      ...checksQueue,
      'TRANSACTIONS_DEAD_LETTER_QUEUE_URL',
      'REPLICATION_CHECKS_DEAD_LETTER_QUEUE_URL',
      'REPLICAS',
      'BUFFER_BUDGET_BYTES',
      'BROADCAST_FUNCTION_NAME',
    ],
  },
  connect: {
    entry: 'functions/connect/connect.handler.ts',
    description: '$connect, $default, $disconnect of the WebSocket API',
    timeoutSeconds: 10,
    memoryMegabytes: 512,
    concurrency: 10,
    database: false,
    environment: [...redis, 'BROADCAST_FUNCTION_NAME', 'SOCKETS_PER_USER', 'WEBSOCKET_ENDPOINT'],
  },
  broadcast: {
    entry: 'functions/broadcast/broadcast.handler.ts',
    description: 'change feed → connections',
    timeoutSeconds: 900,
    memoryMegabytes: 1024,
    concurrency: 2,
    database: true,
    // a start that comes late finds another at work; the sweeper starts one that is missing
    asynchronous: { retries: 0, maxAgeSeconds: 60 },
    environment: [
      ...redis,
      'REPLICAS',
      'WEBSOCKET_ENDPOINT',
      'BROADCAST_FUNCTION_NAME',
      'BROADCAST_LIFETIME_SECONDS',
    ],
  },
  migrate: {
    entry: 'functions/migrate/migrate.handler.ts',
    description: 'brings the schema of main up to date, at deploy',
    timeoutSeconds: 300,
    memoryMegabytes: 512,
    concurrency: 1,
    database: true,
    environment: ['LOG_LEVEL', 'CREDENTIALS_VERSION', 'MAIN_OWNER_DATABASE_URL'],
  },
} as const satisfies Record<FunctionName, FunctionSpec>;

export interface QueueSpec {
  readonly name: string;
  readonly consumer: 'apply' | 'confirm';
  /** at most 10: a larger batch needs a window, and a window is waiting */
  readonly batchSize: number;
  /** AWS asks for six times the consumer's time-out; a copy is out of sight for so long when its processor dies */
  readonly visibilityTimeoutSeconds: number;
  readonly retentionSeconds: number;
  /** receives before a message goes to the dead-letter queue, which the sweeper drives again */
  readonly maxReceiveCount: number;
}

const fourteenDays = 14 * 24 * 3600;

export const queues = {
  transactions: {
    name: 'transactions',
    consumer: 'apply',
    batchSize: 10,
    visibilityTimeoutSeconds: 90,
    retentionSeconds: fourteenDays,
    maxReceiveCount: 1000,
  },
  replicationChecks: {
    name: 'replication-checks',
    consumer: 'confirm',
    batchSize: 10,
    visibilityTimeoutSeconds: 90,
    retentionSeconds: fourteenDays,
    maxReceiveCount: 1000,
  },
} as const satisfies Record<QueueName, QueueSpec>;

export interface ScheduleSpec {
  readonly function: FunctionName;
  readonly everySeconds: number;
}

export const schedules = {
  sweep: { function: 'sweep', everySeconds: 60 },
} as const satisfies Record<string, ScheduleSpec>;

/** Route keys of the WebSocket API and the function behind each. */
export const webSocketRoutes = {
  $connect: 'connect',
  $default: 'connect',
  $disconnect: 'connect',
} as const satisfies Record<string, FunctionName>;

/** The path that clients use, and what the edge turns it into: the API's stage with a query. */
export const webSocketPath = { path: '/api/transfer/ws/overview', channel: 'transfer.overview' } as const;

/** The path of a connection that says itself what it subscribes to. */
export const plainWebSocketPath = '/api/ws';

/** The only stage of the WebSocket API. */
export const webSocketStage = 'live';

export interface Throttle {
  readonly requestsPerSecond: number;
  readonly burst: number;
}

/** What API Gateway lets through at most, of each route: nobody's flood takes another route's functions. */
export const throttle: Throttle = { requestsPerSecond: 500, burst: 1000 };

/** The same of routes that anybody may ask. */
export const publicThrottle: Throttle = { requestsPerSecond: 50, burst: 100 };

/** What browsers of the allowed origins may send and read. */
export const cors = {
  methods: ['GET', 'POST', 'PUT', 'DELETE'],
  allowHeaders: ['authorization', 'content-type', 'idempotency-key', 'if-none-match'],
  exposeHeaders: [
    'etag',
    'link',
    'location',
    'retry-after',
    'idempotency-replayed',
    'unseen',
    'ratelimit',
    'ratelimit-policy',
  ],
  maxAgeSeconds: 600,
} as const;

interface HttpRoute {
  readonly method: string;
  readonly path: string;
  readonly function: FunctionWithRoutes;
  readonly access: string;
}

/** Every HTTP route, with the function that serves it. What can be read with GET can be asked with HEAD. */
export const httpRoutes: readonly HttpRoute[] = routes.flatMap((route): HttpRoute[] =>
  route.method === 'GET' ? [route, { ...route, method: 'HEAD' }] : [route],
);

/** Answers what no route matches. */
export const fallback = { routeKey: '$default', function: 'describe' } as const satisfies {
  readonly routeKey: string;
  readonly function: FunctionWithRoutes;
};
