/** The local Upstash REST endpoint, tested with the Upstash client. */
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from '@upstash/redis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../infra/local/ports.ts';
import { startRedis, type RedisServer } from '../../infra/local/redis.ts';
import { startUpstash } from '../../infra/local/upstash.ts';
import { listen } from '../../lib/change-feed/wake.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { script } from '../../lib/redis/script.ts';
import { eventually } from '../support/eventually.ts';

const token = 'secret';
let directory: string;
let server: RedisServer;
let front: Server;
let url: string;
/** the client with its defaults: auto-pipelining, base64, parsed values */
let redis: Redis;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ops-db-'));
  server = await startRedis(directory);
  const port = await freePort();
  front = await startUpstash({ redisPort: server.port, port, token });
  url = `http://127.0.0.1:${port}`;
  redis = new Redis({ url, token, enableTelemetry: false });
});
afterAll(async () => {
  front.closeAllConnections();
  front.close();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

it('startUpstash returns stored values, as text or base64', async () => {
  await redis.set('value', { text: 'é ✓', n: 1 });
  expect(await redis.get('value')).toEqual({ text: 'é ✓', n: 1 });
  expect(await connectRedis({ url, token }).get('value')).toBe('{"text":"é ✓","n":1}');
  await redis.hset('hash', { a: '1', b: 'two' });
  expect(await redis.hgetall('hash')).toEqual({ a: 1, b: 'two' });
  expect(await redis.get('nothing')).toBeNull();
});

it('startUpstash runs every command of a pipeline and reports one that fails', async () => {
  const pipeline = redis.pipeline().set('n', 1).incr('n').lpush('n', 'x');
  await expect(pipeline.exec()).rejects.toThrow('WRONGTYPE');
  expect(await redis.get('n')).toBe(2);
});

it('startUpstash executes a transaction atomically', async () => {
  expect(await redis.multi().set('t', 1).incr('t').get('t').exec()).toEqual(['OK', 2, 2]);
});

it('startUpstash runs scripts by text and by digest, with the directive that plain Redis lacks', async () => {
  const add = script("return redis.call('INCRBY', KEYS[1], ARGV[1])");
  const client = connectRedis({ url, token });
  expect(await add(client, ['sum'], [2])).toBe(2);
  expect(await add(client, ['sum'], [3])).toBe(5);
  await client.scriptFlush();
  expect(await add(client, ['sum'], [1])).toBe(6);
});

it('startUpstash requires the token on every path', async () => {
  for (const path of ['/', '/pipeline', '/multi-exec', '/subscribe/x']) {
    const response = await fetch(url + path, { method: 'POST', body: '["ping"]' });
    expect(response.status).toBe(401);
  }
});

it('startUpstash answers 400 with the error of Redis, and refuses blocking commands', async () => {
  await redis.set('text', 'abc');
  await expect(redis.incr('text')).rejects.toThrow('not an integer');
  const response = await fetch(url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: '["blpop","x",0]',
  });
  expect(response.status).toBe(400);
});

it('listen wakes on each publication', async () => {
  const wakes = listen({ url, token }, ['channel']);
  await eventually(async () => expect(await redis.publish('channel', 'hello')).toBe(1));
  await wakes.next(5000);
  let woken = false;
  const next = wakes.next(20_000).then(() => {
    woken = true;
  });
  await eventually(async () => {
    await redis.publish('channel', 'again');
    expect(woken).toBe(true);
  });
  await next;
  wakes.stop();
});
