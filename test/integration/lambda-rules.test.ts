/** The local Lambda and its event source are as strict as AWS, seen by functions that use the real SDK. */
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AsynchronousInvocations } from '../../infra/local/asynchronous-invocations.ts';
import { startEventSource, type EventSource } from '../../infra/local/event-source.ts';
import { answerService } from '../../infra/local/gateway/service-endpoints.ts';
import { WebSocketApi } from '../../infra/local/gateway/web-socket-api.ts';
import type { Lambda } from '../../infra/local/lambda.ts';
import { Refused } from '../../infra/local/limits/invocation.ts';
import { close, listening } from '../../infra/local/loopback-server.ts';
import { createQueues, startSqs, type LocalSqs, type QueueUrls } from '../../infra/local/sqs.ts';
import { limits } from '../../infra/limits.ts';
import { queues } from '../../infra/topology.ts';
import { eventually } from '../support/eventually.ts';
import { smallFunction, type SmallFunction } from '../support/small-function.ts';

let directory: string;
let sqs: LocalSqs;
let client: SQSClient;
let urls: QueueUrls;
const lambdas: Lambda[] = [];
const stops: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
});
afterAll(() => rm(directory, { recursive: true }));
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await Promise.all(lambdas.splice(0).map((each) => each.stop()));
});

/** A poll that is given up still gets the next message: each test has queues of its own. */
async function startQueues(): Promise<void> {
  sqs = await startSqs();
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  client = new SQSClient({ endpoint: sqs.endpoint, region: 'us-east-1', credentials });
  stops.push(
    () => client.destroy(),
    () => sqs.stop(),
  );
  urls = (await createQueues(client)).transactions;
}

async function make(source: string, more: Partial<SmallFunction> = {}): Promise<Lambda> {
  const lambda = await smallFunction({ directory, source, ...more });
  lambdas.push(lambda);
  return lambda;
}

const sdk = (name: string) =>
  JSON.stringify(pathToFileURL(join(process.cwd(), `node_modules/@aws-sdk/${name}/dist-cjs/index.js`)).href);

const slow = `export const handler = () => new Promise((resolve) => setTimeout(resolve, 400, 'done'));`;

describe('a function', () => {
  it('is throttled, not queued, beyond its concurrency', async () => {
    const lambda = await make(slow, { rules: { concurrency: 2 } });
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => lambda.invoke({})));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(outcomes[2]).toMatchObject({ reason: { name: 'TooManyRequestsException', status: 429 } });
    expect(await lambda.invoke({})).toBe('done');
  });

  it('takes and answers at most 6 MB', async () => {
    const lambda = await make(
      `export const handler = async ({ size, text }) => 'x'.repeat(size ?? text.length);`,
    );
    const most = limits.invocationBytes.value;
    await expect(lambda.invoke({ text: 'x'.repeat(most) })).rejects.toMatchObject({ status: 413 });
    await expect(lambda.invoke({ size: most })).rejects.toThrow('ResponseSizeTooLarge');
    expect(await lambda.invoke({ size: most - 2 })).toHaveLength(most - 2);
  });

  it('is frozen between two invocations: what it left running goes on in the next', async () => {
    const lambda = await make(
      `let ticks = 0; setInterval(() => { ticks += 1; }, 5);
       export const handler = async () => { const before = ticks; ticks = 0; return before; };`,
    );
    await lambda.invoke({});
    await new Promise((resume) => setTimeout(resume, 500));
    // unfrozen there would be a hundred
    expect(await lambda.invoke({})).toBeLessThan(20);
  });

  it('starts late if its cold start is configured', async () => {
    const lambda = await make(`export const handler = async () => Date.now();`, {
      rules: { coldStartMilliseconds: 300 },
    });
    const before = Date.now();
    expect(await lambda.invoke({})).toBeGreaterThanOrEqual(before + 300);
  });
});

describe('connections of a frozen instance', () => {
  let echo: Server;
  const received: string[] = [];
  beforeEach(async () => {
    received.splice(0);
    echo = createServer((socket: Socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        received.push(data.toString());
        socket.write(data);
      });
    }).listen(0, '127.0.0.1');
    await once(echo, 'listening');
    stops.push(() => void echo.close());
  });
  const asking = () => `
    import { connect } from 'node:net';
    const socket = connect(${(echo.address() as AddressInfo).port}, '127.0.0.1');
    export const handler = (text) => new Promise((resolve) => {
      const end = (outcome) => { socket.removeAllListeners(); socket.on('error', () => undefined); resolve(outcome); };
      socket.on('error', (error) => end(error.code));
      socket.on('data', (data) => end(String(data)));
      setTimeout(end, 500, 'nothing');
      socket.write(text);
    });`;

  it.each([
    ['reset', 'ECONNRESET'],
    ['vanished', 'nothing'],
  ] as const)('are %s after the time of the network', async (fate, seen) => {
    const lambda = await make(asking(), { rules: { freeze: { loseAfterMilliseconds: 100, fates: [fate] } } });
    await lambda.warmUp();
    expect(await lambda.invoke('one')).toBe('one');
    expect(await lambda.invoke('two')).toBe('two');
    await new Promise((resume) => setTimeout(resume, 150));
    expect(await lambda.invoke('three')).toBe(seen);
    expect(received).toEqual(['one', 'two']);
  });
});

describe('a chain of invocations', () => {
  beforeEach(startQueues);

  /** sends its message to the queue that it came from */
  const chain = () => `
    import sqs from ${sdk('client-sqs')};
    const client = new sqs.SQSClient({ endpoint: ${JSON.stringify(sqs.endpoint)} });
    export const handler = async ({ Records }) => {
      for (const { body } of Records)
        await client.send(new sqs.SendMessageCommand({ QueueUrl: ${JSON.stringify(urls.url)}, MessageBody: body }));
      return { batchItemFailures: [] };
    };`;
  const startSource = (lambda: Lambda, longestChain: number): EventSource => {
    const source = startEventSource(client, {
      urls,
      spec: queues.transactions,
      batchSize: 10,
      lambda,
      maximumConcurrency: 5,
      longestChain,
      onError: () => undefined,
    });
    stops.unshift(() => source.stop());
    return source;
  };

  it('over SQS ends after 16, and its message is a dead letter', async () => {
    const lambda = await make(chain());
    startSource(lambda, limits.invocationsInChain.value);
    await client.send(new SendMessageCommand({ QueueUrl: urls.url, MessageBody: 'again' }));
    await eventually(async () => {
      const { Attributes } = await client.send(
        new GetQueueAttributesCommand({
          QueueUrl: urls.deadLetterUrl,
          AttributeNames: ['ApproximateNumberOfMessages'],
        }),
      );
      expect(Attributes?.ApproximateNumberOfMessages).toBe('1');
    });
    expect(lambda.invocations).toBe(limits.invocationsInChain.value);
  });

  it('over SQS goes on if the function may cause its own invocation', async () => {
    const lambda = await make(chain(), { rules: { longestChain: Infinity } });
    startSource(lambda, Infinity);
    await client.send(new SendMessageCommand({ QueueUrl: urls.url, MessageBody: 'again' }));
    await eventually(() => expect(lambda.invocations).toBeGreaterThan(limits.invocationsInChain.value + 4));
  });

  it('over Invoke ends after 16', async () => {
    const { server, url } = await listening(0);
    stops.push(() => close(server));
    const source = `
      import lambda from ${sdk('client-lambda')};
      const client = new lambda.LambdaClient({ endpoint: ${JSON.stringify(url)} });
      export const handler = async () => {
        await client.send(new lambda.InvokeCommand({ FunctionName: 'broadcast', InvocationType: 'Event', Payload: '{}' }));
      };`;
    const lambda = await make(source, { name: 'broadcast' });
    const invoke = (_name: string, event: unknown, trace?: string) => lambda.invoke(event, trace);
    const dropped: unknown[] = [];
    const asynchronous = new AsynchronousInvocations(invoke);
    const webSockets = new WebSocketApi(invoke);
    stops.unshift(() => webSockets.stop());
    const submit: typeof asynchronous.submit = (...args) =>
      asynchronous.submit(...args).catch((error: unknown) => void dropped.push(error));
    server.on('request', (request, response) => {
      void answerService(webSockets, { invoke, asynchronous: { submit } }, request, response);
    });
    const caller = new LambdaClient({
      endpoint: url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    await caller.send(
      new InvokeCommand({ FunctionName: 'broadcast', InvocationType: 'Event', Payload: '{}' }),
    );
    await eventually(() => expect(dropped).toHaveLength(1));
    expect(dropped[0]).toMatchObject({ name: 'RecursiveInvocationException' });
    expect(lambda.invocations).toBe(limits.invocationsInChain.value);
    caller.destroy();
  });
});

describe('an event source', () => {
  beforeEach(startQueues);

  it('keeps a batch that is throttled and tries it again', async () => {
    let refusals = 2;
    const handled: unknown[] = [];
    const lambda = {
      name: 'apply' as const,
      invoke: async (event: unknown) => {
        if (refusals-- > 0) throw new Refused('TooManyRequestsException', 'Rate Exceeded.');
        handled.push(event);
        return { batchItemFailures: [] };
      },
    };
    await client.send(new SendMessageCommand({ QueueUrl: urls.url, MessageBody: 'one' }));
    const source = startEventSource(client, {
      urls,
      spec: queues.transactions,
      batchSize: 10,
      lambda,
      maximumConcurrency: 1,
      longestChain: limits.invocationsInChain.value,
      onError: () => undefined,
    });
    stops.unshift(() => source.stop());
    await eventually(() => expect(handled).toHaveLength(1));
    expect(handled).toMatchObject([
      { Records: [{ body: 'one', attributes: { ApproximateReceiveCount: '1' } }] },
    ]);
  });
});
