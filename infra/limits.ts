/**
 * What AWS limits, as its documentation says it: the CDK app, the local stack and the fidelity table of infra/local/README.md
 * read these figures here, and a test compares the table with them.
 */

export interface Limit {
  readonly value: number;
  readonly unit: string;
  readonly what: string;
  /** page of AWS's documentation */
  readonly source: string;
}

const lambda = 'https://docs.aws.amazon.com/lambda/latest/dg';
const sqs = 'https://docs.aws.amazon.com/AWSSimpleQueueService/latest';
const gateway = 'https://docs.aws.amazon.com/apigateway/latest/developerguide';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

export const limits = {
  invocationsInChain: {
    value: 16,
    unit: 'invocations',
    what: 'of one function in a chain of events; the next one is stopped',
    source: `${lambda}/invocation-recursion.html`,
  },
  accountConcurrency: {
    value: 1000,
    unit: 'instances',
    what: 'of all functions of an account at once',
    source: `${lambda}/gettingstarted-limits.html`,
  },
  unreservedConcurrency: {
    value: 100,
    unit: 'instances',
    what: 'that no function may reserve',
    source: `${lambda}/configuration-concurrency.html`,
  },
  invocationBytes: {
    value: 6 * mebibyte,
    unit: 'bytes',
    what: 'of the event, and of the answer, of a synchronous invocation',
    source: `${lambda}/gettingstarted-limits.html`,
  },
  asynchronousBytes: {
    value: mebibyte,
    unit: 'bytes',
    what: 'of the event of an asynchronous invocation',
    source: `${lambda}/API_Invoke.html`,
  },
  environmentBytes: {
    value: 4 * kibibyte,
    unit: 'bytes',
    what: 'of the environment of a function',
    source: `${lambda}/gettingstarted-limits.html`,
  },
  asynchronousRetries: {
    value: 2,
    unit: 'retries',
    what: 'of an asynchronous event whose function fails, after one minute and after two',
    source: `${lambda}/invocation-async-error-handling.html`,
  },
  asynchronousAgeSeconds: {
    value: 6 * 3600,
    unit: 's',
    what: 'after which an asynchronous event is dropped',
    source: `${lambda}/invocation-async-error-handling.html`,
  },
  leastAsynchronousAgeSeconds: {
    value: 60,
    unit: 's',
    what: 'least age that can be configured',
    source: `${lambda}/API_PutFunctionEventInvokeConfig.html`,
  },
  asynchronousPauseSeconds: {
    value: 300,
    unit: 's',
    what: 'longest pause before a throttled asynchronous event is tried again; the first is 1 s',
    source: `${lambda}/invocation-async-error-handling.html`,
  },
  pollersAtFirst: {
    value: 5,
    unit: 'batches',
    what: 'that an event source begins with',
    source: `${lambda}/services-sqs-scaling.html`,
  },
  idleConnectionSeconds: {
    value: 350,
    unit: 's',
    what: 'after which a NAT gateway forgets an idle connection, and resets it when it is used',
    source: 'https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html',
  },
  messageBytes: {
    value: mebibyte,
    unit: 'bytes',
    what: 'of a message, and of all messages of a batch',
    source: `${sqs}/APIReference/API_SendMessageBatch.html`,
  },
  batchEntries: {
    value: 10,
    unit: 'messages',
    what: 'of one call',
    source: `${sqs}/APIReference/API_SendMessageBatch.html`,
  },
  delaySeconds: {
    value: 900,
    unit: 's',
    what: 'longest delay of a message',
    source: `${sqs}/SQSDeveloperGuide/quotas-queues.html`,
  },
  inFlightMessages: {
    value: 120_000,
    unit: 'messages',
    what: 'of a queue received and not deleted; a short poll gets `OverLimit`, a long one nothing',
    source: `${sqs}/SQSDeveloperGuide/quotas-queues.html`,
  },
  httpBodyBytes: {
    value: 10 * mebibyte,
    unit: 'bytes',
    what: 'of a request to an HTTP API',
    source: `${gateway}/http-api-quotas.html`,
  },
  httpIntegrationSeconds: {
    value: 30,
    unit: 's',
    what: 'after which an HTTP API gives up its function',
    source: `${gateway}/http-api-quotas.html`,
  },
  webSocketIntegrationSeconds: {
    value: 29,
    unit: 's',
    what: 'after which a WebSocket API gives up its function',
    source: `${gateway}/apigateway-execution-service-websocket-limits-table.html`,
  },
  webSocketMessageBytes: {
    value: 128 * kibibyte,
    unit: 'bytes',
    what: 'of a message, either way; a larger one from a client ends the connection (1009)',
    source: `${gateway}/apigateway-execution-service-websocket-limits-table.html`,
  },
  webSocketFrameBytes: {
    value: 32 * kibibyte,
    unit: 'bytes',
    what: 'of a frame from a client; a larger one ends the connection (1009)',
    source: `${gateway}/apigateway-execution-service-websocket-limits-table.html`,
  },
  webSocketLifeSeconds: {
    value: 2 * 3600,
    unit: 's',
    what: 'that a connection lasts',
    source: `${gateway}/apigateway-execution-service-websocket-limits-table.html`,
  },
  webSocketIdleSeconds: {
    value: 600,
    unit: 's',
    what: 'without a message, after which a connection ends',
    source: `${gateway}/apigateway-execution-service-websocket-limits-table.html`,
  },
  webSocketHandshakesPerSecond: {
    value: 500,
    unit: 'connections/s',
    what: 'that can be opened',
    source: `${gateway}/apigateway-execution-service-websocket-limits-table.html`,
  },
  gatewayRequestsPerSecond: {
    value: 10_000,
    unit: 'requests/s',
    what: 'of an account to all its APIs and to `@connections`',
    source: `${gateway}/limits.html`,
  },
  gatewayBurst: {
    value: 5000,
    unit: 'requests',
    what: 'that the bucket of that rate holds',
    source: `${gateway}/limits.html`,
  },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof limits;
