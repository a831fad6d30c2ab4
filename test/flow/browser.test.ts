/** Pages in headless Chromium: the live client, the API documentation, CORS and a login. */
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { challengeOf } from '../../lib/login/pending-login.ts';
import { startTestStack, type TestStack } from '../support/test-stack.ts';

const executablePath = ['chromium', 'chromium-browser', 'google-chrome']
  .map((name) => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim())
  .find((path) => path !== '');
if (executablePath === undefined) {
  if (process.env.CI) throw new Error('Chromium is missing: CI must run the browser tests');
  console.log('No Chromium on the PATH: skipping the browser tests.');
}

let stack: TestStack;
let browser: Browser;
let server: Server;

beforeAll(async () => {
  if (executablePath === undefined) return;
  const { outputFiles } = await build({
    stdin: { contents: page, resolveDir: fileURLToPath(new URL('../..', import.meta.url)), loader: 'ts' },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
  });
  const script = outputFiles[0]?.text ?? '';
  server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    const isLogin = request.url?.startsWith('/login') === true;
    response.writeHead(200, { 'Content-Type': isScript ? 'text/javascript' : 'text/html' });
    response.end(
      isScript
        ? script
        : isLogin
          ? '<!doctype html><h1>log in</h1>'
          : '<!doctype html><h1 id="failed"></h1><script type="module" src="/page.js"></script>',
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  [stack, browser] = await Promise.all([
    startTestStack({ settings: { FRONTEND_ORIGINS: frontend() } }),
    chromium.launch({
      executablePath,
      args: [
        '--no-sandbox',
        '--disable-dev-shm-usage',
        // no network access
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
      ],
    }),
  ]);
});
const frontend = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

afterAll(async () => {
  if (executablePath === undefined) return;
  await browser.close();
  server.close();
  await stack.stop();
});

/** A frontend that shows the number of failed transfers and counts its events. */
const page = `
  import { LiveClient } from './lib/client/live-client.ts';
  const { http, websocket, token } = window.observatory;
  const ticket = async () => {
    const headers = { Authorization: 'Bearer ' + token };
    const response = await fetch(http + '/api/ws/ticket', { method: 'POST', headers });
    return (await response.json()).ticket;
  };
  const client = new LiveClient({ url: websocket, ticket });
  const shown = document.getElementById('failed');
  let events = 0;
  for await (const event of client.subscribe('transfer.overview')) {
    events += 1;
    shown.textContent = event.data.transfers.failed + ' failed';
    shown.dataset.events = String(events);
  }
`;

it.skipIf(executablePath === undefined)('a change by plain SQL at main reaches the page', async () => {
  const view = await browser.newPage();
  const { http, websocket, tokens } = stack.description;
  const observatory = JSON.stringify({ http, websocket, token: tokens.viewer });
  await view.addInitScript(`window.observatory = ${observatory}`);
  await view.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const { body } = await stack.api('/api/transfer/overview');
  const { failed } = body.transfers as { failed: number };
  await view.getByText(`${failed} failed`, { exact: true }).waitFor();
  await stack.main.query("update data_transfer set status = 'failed' where status = 'completed'");
  const after = (await stack.main.query("select from data_transfer where status = 'failed'")).rowCount;
  expect(after).toBeGreaterThan(failed);
  await view.getByText(`${after} failed`, { exact: true }).waitFor();
  expect(await view.locator('#failed').getAttribute('data-events')).toBe('2');
});

it.skipIf(executablePath === undefined)(
  'the documentation page shows the operations without requests to other hosts',
  async () => {
    const view = await browser.newPage();
    const { http } = stack.description;
    const origins = new Set<string>();
    const errors: string[] = [];
    view.on('request', (request) => origins.add(new URL(request.url()).origin));
    view.on('console', (message) => errors.push(`${message.type()}: ${message.text()}`));
    view.on('pageerror', (error) => errors.push(error.message));
    await view.goto(`${http}/docs`);
    await view.getByText('Records the start of an observation').waitFor();
    await view.getByText('Records the start of an observation').click();
    await view.getByText('Requires the permission', { exact: false }).first().waitFor();
    // data URLs have the origin "null"
    expect([...origins].filter((origin) => origin !== 'null')).toEqual([http]);
    expect(errors).toEqual([]);
    await view.close();
  },
);

it.skipIf(executablePath === undefined)(
  'a preflight request from another origin is not allowed',
  async () => {
    const ask = (origin: string) =>
      fetch(`${stack.description.http}/api/ws/ticket`, {
        method: 'OPTIONS',
        headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
      });
    const allowed = await ask('http://localhost:8080');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('http://localhost:8080');
    for (const origin of ['https://elsewhere.org', 'http://localhost.elsewhere.org', 'null']) {
      expect((await ask(origin)).headers.get('access-control-allow-origin')).toBeNull();
    }
  },
);

it.skipIf(executablePath === undefined)(
  'a login survives a reload of the page and ends with a logout',
  async () => {
    const view = await browser.newPage();
    const { http } = stack.description;
    const call = (path: string, body?: object) =>
      view.evaluate(
        async ([url, text]) => {
          const response = await fetch(url, {
            method: 'POST',
            credentials: 'include',
            ...(text !== '' && { headers: { 'Content-Type': 'application/json' }, body: text }),
          });
          const page = globalThis as { readonly document?: { readonly cookie: string } };
          const answer = (await response.json()) as { access_token?: string; user?: { login: string } };
          return { status: response.status, ...answer, readable: page.document?.cookie };
        },
        [http + path, body ? JSON.stringify(body) : ''] as const,
      );
    await view.goto(`${frontend()}/login`);
    const verifier = 'a'.repeat(43);
    const query = new URLSearchParams({
      return_to: `${frontend()}/login`,
      code_challenge: challengeOf(verifier),
      login: 'olu-observer',
    });
    await view.goto(`${http}/github/login?${query.toString()}`);
    await view.waitForURL(/\/login\?code=/);
    const code = new URL(view.url()).searchParams.get('code');
    const first = await call('/auth/exchange', { code, code_verifier: verifier });
    expect(first).toMatchObject({ status: 200, user: { login: 'olu-observer' }, readable: '' });
    await view.goto(`${frontend()}/login`);
    const second = await call('/auth/refresh');
    expect(second).toMatchObject({ status: 200, user: { login: 'olu-observer' }, readable: '' });
    expect(second.access_token).not.toBe(first.access_token);
    expect((await call('/auth/logout')).status).toBe(200);
    expect((await call('/auth/refresh')).status).toBe(401);
    await view.close();
  },
);
