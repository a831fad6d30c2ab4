/**
 * How functions, queues, routes and settings hang together: the CDK app and the local stack both read it, and a test holds the
 * two against each other. What a function is stands in its own file, `functions/…/x.function.ts`.
 */
import type { VariableSource } from '../lib/config/variable.ts';
import type { FunctionSpec, Trigger, WebSocketRouteKey } from '../lib/function/function-spec.ts';
import { listed as operations } from '../lib/api/operations.ts';
import type { FunctionWithOperations } from '../lib/http/operation.ts';
import * as listed from './functions.ts';

export type FunctionName = keyof typeof listed;
export type QueueName = keyof typeof queues;

/** The compiler refuses a name of a function or a queue that there is not, and routes of a function that has another trigger. */
export const functions: typeof listed = listed satisfies {
  [Name in FunctionName]: FunctionSpec<Name, FunctionName, QueueName>;
} & { [Name in FunctionWithOperations]: { readonly trigger: { readonly kind: 'http' } } };

type TriggerOf<Name extends FunctionName> = (typeof functions)[Name]['trigger'];

type TriggeredBy<Kind extends Trigger['kind']> = {
  [Name in FunctionName]: TriggerOf<Name>['kind'] extends Kind ? Name : never;
}[FunctionName];

/** The functions that run for one reason, each with what there is to know about it. */
export function triggeredBy<Kind extends Trigger['kind']>(
  kind: Kind,
): readonly {
  readonly name: TriggeredBy<Kind>;
  readonly trigger: Trigger<QueueName, FunctionName> & { kind: Kind };
}[] {
  return Object.values(functions).flatMap(({ name, trigger }) =>
    trigger.kind === kind ? [{ name, trigger } as never] : [],
  );
}

/**
 * Reserved concurrency; undefined: its event source bounds the function, which does not throttle what it has received.
 */
export function reservedConcurrency(name: FunctionName): number | undefined {
  const { trigger, concurrency } = functions[name];
  return trigger.kind === 'queue' ? undefined : concurrency;
}

/** What a deployment takes of the concurrency of its account. */
export const reservedByAll = (Object.keys(functions) as FunctionName[]).reduce(
  (sum, name) => sum + (reservedConcurrency(name) ?? 0),
  0,
);

/** A function that runs by the clock. */
export type ScheduledName = TriggeredBy<'schedule'>;

type SettingsOf<Name extends FunctionName> = (typeof functions)[Name]['settings'];

export type EnvironmentName = { [Name in FunctionName]: keyof SettingsOf<Name> }[FunctionName];

type Source = VariableSource<QueueName, FunctionName>;

/** Where the value of each variable comes from. The same name is the same variable in every function, which a test checks. */
export const environment = Object.fromEntries(
  Object.values(functions).flatMap(({ settings }) =>
    Object.entries(settings).map(([name, { source }]) => [name, source]),
  ),
) as Readonly<Record<EnvironmentName, Source>>;

export interface QueueSpec {
  readonly name: string;
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
    visibilityTimeoutSeconds: 90,
    retentionSeconds: fourteenDays,
    maxReceiveCount: 1000,
  },
  replicationChecks: {
    name: 'replication-checks',
    visibilityTimeoutSeconds: 90,
    retentionSeconds: fourteenDays,
    maxReceiveCount: 1000,
  },
} as const satisfies Record<string, QueueSpec>;

/** Route keys of the WebSocket API and the function behind each. */
export const webSocketRoutes = Object.fromEntries(
  triggeredBy('websocket').flatMap(({ name, trigger }) => trigger.routes.map((key) => [key, name])),
) as Readonly<Record<WebSocketRouteKey, FunctionName>>;

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
  methods: [...new Set(operations.map(({ method }) => method))],
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
  readonly function: FunctionWithOperations;
  readonly access: string;
}

/** Every HTTP route, with the function that serves it. What can be read with GET can be asked with HEAD. */
export const httpRoutes: readonly HttpRoute[] = operations.flatMap((route): HttpRoute[] =>
  route.method === 'GET' ? [route, { ...route, method: 'HEAD' }] : [route],
);

/** Answers what no route matches. */
export const fallback = { routeKey: '$default', function: 'describe' } as const satisfies {
  readonly routeKey: string;
  readonly function: FunctionWithOperations;
};
