import { createServer, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { HttpClient } from '../../lib/client/http-client.ts';

interface Seen {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let seen: Seen[];
let answer = { status: 200, body: '' };
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => (body += chunk.toString()));
  request.on('end', () => {
    seen.push({ method: request.method, url: request.url, headers: request.headers, body });
    response.writeHead(answer.status).end(answer.body);
  });
});
let client: HttpClient;

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  client = new HttpClient({ url: `http://127.0.0.1:${port}`, token: 't' });
});
beforeEach(() => (seen = []));
afterAll(() => server.close());

it('call fills the path and sends the body with its idempotency key', async () => {
  answer = { status: 202, body: '{"id":"a/b"}' };
  const body = { status: 'completed' };
  const reply = await client.call('finishExecutedObsUnit', { params: { id: 'a/b' }, body, key: 'k' });
  expect(reply).toMatchObject({ isProblem: false, status: 202, body: { id: 'a/b' } });
  const [request] = seen;
  expect(request).toMatchObject({ method: 'PUT', url: '/executed_obs_units/a%2Fb/finish' });
  expect(request?.headers).toMatchObject({ authorization: 'Bearer t', 'idempotency-key': 'k' });
  expect(JSON.parse(request?.body ?? '')).toEqual(body);
});

it('call omits undefined query parameters', async () => {
  answer = { status: 200, body: '[]' };
  const query = { state: 'failed', limit: '5', cursor: undefined } as const;
  expect(await client.call('listTransactions', { query })).toMatchObject({ body: [] });
  expect(seen).toMatchObject([{ method: 'GET', url: '/api/transactions?state=failed&limit=5' }]);
});

it('call returns a problem as a problem', async () => {
  answer = { status: 404, body: '{"code":"not-found"}' };
  const reply = await client.call('readTransaction', { params: { id: 'x' } });
  expect(reply).toMatchObject({ isProblem: true, status: 404, body: { code: 'not-found' } });
});

it('call compiles only for requests that the contract declares', () => {
  const refused = [
    // @ts-expect-error there is no such operation
    () => client.call('readNothing', {}),
    // @ts-expect-error the path parameter is missing
    () => client.call('readTransaction', {}),
    // @ts-expect-error there is no such state
    () => client.call('listTransactions', { query: { state: 'lost' } }),
    // @ts-expect-error the body is missing
    () => client.call('startExecutedObsUnit', { key: 'k' }),
  ];
  expect(refused).toHaveLength(4);
});
