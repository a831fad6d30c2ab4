import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { serve } from '../../lib/api/serve.ts';
import { answer } from '../../lib/http/operation.ts';
import { problem } from '../../lib/http/problem.ts';
import {
  finishExecutedObsUnit,
  startExecutedObsUnit,
  type WrittenUnit,
} from '../../lib/observation/operations.ts';
import { readHealth } from '../../lib/status/operations.ts';

const id = '00000000-0000-7000-8000-000000000000';
const claimant = { kind: 'session', principalId: '1', sessionId: 's' } as const;
const written: WrittenUnit = {
  ...{ id, obs_unit_id: 1, status: 'running', start_time: null, end_time: null, day_obs: null },
  ...{ instrument_module_ids: [], metadata: {}, sync: { state: 'buffered' }, transaction_id: id },
};

function eventOf(routeKey: string, request: Partial<APIGatewayProxyEventV2> = {}) {
  const [method = ''] = routeKey.split(' ');
  const requestContext = { requestId: 'r', http: { method, sourceIp: '127.0.0.1' } };
  return {
    ...{ version: '2.0', routeKey, rawPath: '/x', rawQueryString: '', headers: {}, isBase64Encoded: false },
    ...{ requestContext },
    ...request,
  } as APIGatewayProxyEventV2;
}

/** @param asked collects the requests that the steps get */
function accept({ fails, asked = [] }: { fails?: Error; asked?: unknown[] } = {}) {
  const handler = serve('accept', {
    parts: () => ({}),
    identify: async ({ headers, replyHeaders }) => {
      if (headers.authorization === undefined) throw problem.unauthorized('No credential.');
      replyHeaders.set('RateLimit', '"requests";r=1;t=1');
      return { claimant };
    },
    steps: {
      startExecutedObsUnit: answer(startExecutedObsUnit, async (request) => {
        if (fails) throw fails;
        asked.push(request);
        return { status: 201, body: written };
      }),
      finishExecutedObsUnit: answer(finishExecutedObsUnit, async (request) => {
        asked.push(request);
        return { status: 200, body: written };
      }),
    },
  });
  return async (routeKey: string, request: Partial<APIGatewayProxyEventV2>) => {
    const { statusCode, headers, body } = await handler(eventOf(routeKey, request), {} as Context);
    return { status: statusCode, headers, body: JSON.parse(String(body)) as Record<string, unknown> };
  };
}

const start = 'POST /executed_obs_units/start';
const finish = 'PUT /executed_obs_units/{id}/finish';
const headers = { Authorization: 'Bearer x' };

describe('serve', () => {
  it('checks the credential before anything else of the request', async () => {
    for (const body of ['{', '{"obs_unit_id":"x"}']) {
      expect(await accept()(start, { body, rawQueryString: 'a=1' })).toMatchObject({ status: 401 });
      expect(await accept()(start, { headers, body })).toMatchObject({ status: 400 });
    }
  });

  it('gives a step the parsed values, the raw values and the claimant', async () => {
    const asked: unknown[] = [];
    const body = '{"metadata":{"a":1}}';
    await accept({ asked })(finish, { headers, body, pathParameters: { id: id.toUpperCase() } });
    expect(asked).toMatchObject([
      {
        claimant,
        params: { id },
        body: { status: 'completed', metadata: { a: 1 } },
        given: { params: { id: id.toUpperCase() }, body: { metadata: { a: 1 } } },
        route: { operation: 'finishExecutedObsUnit', access: 'write:observations' },
      },
    ]);
  });

  it('refuses a path parameter by its name, and any query where the operation takes none', async () => {
    const reply = await accept()(finish, { headers, pathParameters: { id: 'x' } });
    expect(reply.body).toMatchObject({ code: 'invalid-request', errors: [{ path: 'id' }] });
    const other = await accept()(start, { headers, rawQueryString: 'a=1', body: '{"obs_unit_id":1}' });
    expect(other.body).toMatchObject({ code: 'unknown-parameter', recorded: false });
  });

  it('answers an error with a problem that says whether the write was recorded', async () => {
    const request = { headers, body: '{"obs_unit_id":1}' };
    const refused = await accept({ fails: problem.conflict('No.') })(start, request);
    expect(refused).toMatchObject({ status: 409, body: { recorded: false, request_id: 'r' } });
    expect(refused.headers).toMatchObject({
      'Content-Type': 'application/problem+json',
      'X-Content-Type-Options': 'nosniff',
      RateLimit: '"requests";r=1;t=1',
    });
    const broken = await accept({ fails: new Error('secret') })(start, request);
    expect(broken).toMatchObject({ status: 500, body: { recorded: null, code: 'internal-error' } });
    expect(JSON.stringify(broken)).not.toContain('secret');
  });

  it('answers HEAD like GET, and a public operation without a credential', async () => {
    const health = {
      status: 'healthy',
      database: 'connected',
      redis: 'connected',
      main: 'connected',
      transaction_buffer: { size: 0, failed: 0, is_stuck: false },
      change_feed: null,
    } as const;
    const step = answer(readHealth, async () => ({ status: 200, body: health }));
    const handler = serve('health', { parts: () => undefined, steps: { readHealth: step } });
    for (const method of ['GET', 'HEAD']) {
      const { statusCode, body } = await handler(eventOf(`${method} /health`), {} as Context);
      expect([statusCode, body]).toEqual([200, JSON.stringify(health)]);
    }
  });
});
