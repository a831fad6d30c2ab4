/** Public operations, and answers to requests that match no operation. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemCodes } from '../../lib/http/problem.ts';
import { limits } from '../../infra/limits.ts';
import { startTestStack, startUnit, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;
beforeAll(async () => {
  // the last test stops Redis
  stack = await startTestStack({ looksForSecrets: false });
});
afterAll(() => stack.stop());

const ask = (path: string, init?: RequestInit) => fetch(stack.description.http + path, init);
const html = { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } };

describe('a request that no operation matches', () => {
  it('gets 404 as a problem for an unknown path', async () => {
    for (const path of ['/nothing', '/api', '/executed_obs_units/1/2/3']) {
      const reply = await ask(path);
      expect(reply.status, path).toBe(404);
      expect(reply.headers.get('content-type')).toBe('application/problem+json');
      expect(await reply.json()).toMatchObject({ type: '/problems/no-such-route', status: 404 });
    }
  });

  it.each([
    ['DELETE', '/executed_obs_units', 'GET, HEAD'],
    ['PATCH', '/executed_obs_units/start', 'GET, HEAD, POST'],
    ['POST', '/executed_obs_units/7/finish', 'PUT'],
    ['PUT', '/', 'GET, HEAD'],
    ['HEAD', '/api/ws/ticket', 'POST'],
  ])('gets 405 and Allow as a problem for %s %s', async (method, path, allowed) => {
    const reply = await ask(path, { method });
    expect(reply.status).toBe(405);
    expect(reply.headers.get('allow')).toBe(allowed);
    expect(reply.headers.get('content-type')).toBe('application/problem+json');
    const body = await reply.text();
    if (method === 'HEAD') expect(body).toBe('');
    else expect(JSON.parse(body)).toMatchObject({ type: '/problems/method-not-allowed', status: 405 });
  });

  it.each([
    ['that Lambda does not take', limits.invocationBytes.value],
    ['that API Gateway does not take', limits.httpBodyBytes.value],
  ])('gets the gateway’s own 413 for a body %s', async (_what, bytes) => {
    const body = JSON.stringify({ obs_unit_id: 1, metadata: { text: 'x'.repeat(bytes) } });
    const reply = await ask('/executed_obs_units/start', { method: 'POST', body });
    expect([reply.status, await reply.json()]).toEqual([413, { message: 'Request Entity Too Large' }]);
  });
});

describe('HEAD', () => {
  it('is answered like GET without a body', async () => {
    const { body } = await startUnit(stack.api);
    const headers = { Authorization: `Bearer ${stack.description.tokens.service}` };
    for (const path of [
      '/health',
      '/',
      `/executed_obs_units/${String(body.id)}`,
      '/executed_obs_units?limit=1',
    ]) {
      const reply = await ask(path, { method: 'HEAD', headers });
      expect([path, reply.status, await reply.text()]).toEqual([path, 200, '']);
      expect(reply.headers.get('content-type')).toBe('application/json');
    }
    const absent = await ask('/executed_obs_units/00000000-0000-7000-8000-000000000000', {
      method: 'HEAD',
      headers,
    });
    expect([absent.status, await absent.text()]).toEqual([404, '']);
    expect((await ask('/executed_obs_units', { method: 'HEAD' })).status).toBe(401);
  });
});

describe('the description of the API', () => {
  it('is JSON with links for scripts and a page for browsers', async () => {
    const script = await ask('/');
    expect(script.status).toBe(200);
    const index = (await script.json()) as { links: Record<string, string> };
    for (const path of Object.values(index.links)) {
      // each link leads to an operation, which may require a credential
      const { status } = await ask(path, { redirect: 'manual' });
      expect([path, status]).toEqual([path, expect.not.stringMatching('404')]);
    }
    const page = await ask('/', html);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('vary')).toBe('Accept');
    expect(await page.text()).toContain('<a href="/health">');
    expect(stack.description.page).toBe(`${stack.description.http}/`);
  });

  it('names the release', async () => {
    const { version } = JSON.parse(
      await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as {
      version: string;
    };
    expect(await (await ask('/version')).json()).toEqual({
      version,
      commit: expect.stringMatching(/^[0-9a-f]{40}$/) as string,
    });
  });

  it('includes the AsyncAPI document', async () => {
    const text = await readFile(new URL('../../lib/channels/asyncapi.json', import.meta.url), 'utf8');
    expect(await (await ask('/asyncapi.json')).json()).toEqual(JSON.parse(text));
  });

  it('includes the OpenAPI document and a page that renders it', async () => {
    const text = await readFile(new URL('../../lib/api/generated/openapi.json', import.meta.url), 'utf8');
    expect(await (await ask('/openapi.json')).json()).toEqual(JSON.parse(text));
    const page = await ask('/docs');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const files = [...(await page.text()).matchAll(/(?:href|src)="(\/[^"]+)"/g)].map(([, path]) =>
      String(path),
    );
    expect(files).toHaveLength(3);
    for (const path of files) {
      for (const encoding of ['gzip', 'identity']) {
        const file = await ask(path, { headers: { 'Accept-Encoding': encoding } });
        expect([path, file.status]).toEqual([path, 200]);
        expect(file.headers.get('content-type')).toMatch(/^text\/(javascript|css); charset=utf-8$/);
        expect(await file.text()).toMatch(/swagger/i);
      }
    }
    expect((await ask('/docs/toString')).status).toBe(404);
  });

  it('explains every problem code, for scripts and for browsers', async () => {
    for (const [code, [status, title]] of Object.entries(problemCodes)) {
      const reply = await ask(`/problems/${code}`);
      expect(reply.status, code).toBe(200);
      expect(await reply.json()).toMatchObject({ type: `/problems/${code}`, code, status, title });
      expect(await (await ask(`/problems/${code}`, html)).text()).toContain(`<code>${code}</code>`);
    }
    expect((await ask('/problems/toString')).status).toBe(404);
  });

  it('is available while every store is unreachable', async () => {
    await stack.parts.redis.stop();
    stack.link.set({ up: false });
    for (const path of ['/', '/version', '/openapi.json', '/docs', '/asyncapi.json', '/problems/conflict']) {
      expect((await ask(path)).status, path).toBe(200);
    }
  });
});
