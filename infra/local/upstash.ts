/**
 * Upstash's REST protocol over a plain Redis, as used by `@upstash/redis`: `/`, `/pipeline`, `/multi-exec` and
 * `/subscribe/<channel>` (https://upstash.com/docs/redis/features/restapi).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createClient, RESP_TYPES } from 'redis';
import * as z from 'zod/mini';

export interface UpstashOptions {
  readonly redisPort: number;
  readonly port: number;
  readonly token: string;
}

/** A directive of Upstash that a plain Redis rejects. */
const keyLocking = '#!lua flags=allow-key-locking\n';

const argument = z.union([z.string(), z.number(), z.boolean()]);
const command = z.array(argument).check(z.minLength(1));
const commands = z.array(command);

/** Commands that need a connection of their own. */
const refused = new Set([
  'blpop',
  'brpop',
  'blmove',
  'bzpopmin',
  'subscribe',
  'psubscribe',
  'watch',
  'monitor',
]);

export async function startUpstash({ redisPort, port, token }: UpstashOptions): Promise<Server> {
  const url = `redis://127.0.0.1:${redisPort}`;
  const socket = { reconnectStrategy: () => 50 };
  const raw = createClient({ url, RESP: 2, socket, disableOfflineQueue: true });
  const subscriber = createClient({ url, socket });
  for (const each of [raw, subscriber]) each.on('error', () => undefined);
  await Promise.all([raw.connect(), subscriber.connect()]);
  const client = raw.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: String });
  /** SHA-1 of a script with the directive → SHA-1 without it */
  const plainSha = new Map<string, string>();

  const plain = (asked: z.infer<typeof command>): string[] => {
    const [name = '', script = '', ...rest] = asked.map(String);
    if (/^evalsha/i.test(name)) return [name, plainSha.get(script) ?? script, ...rest];
    if (!/^eval/i.test(name) || !script.startsWith(keyLocking)) return asked.map(String);
    const stripped = script.slice(keyLocking.length);
    plainSha.set(sha1(script), sha1(stripped));
    return [name, stripped, ...rest];
  };
  const execute = async (asked: z.infer<typeof command>): Promise<unknown> => {
    const args = plain(asked);
    if (refused.has(args[0]?.toLowerCase() ?? '')) throw new Error('ERR command is not available over REST');
    return client.sendCommand(args);
  };
  const executeAll = (asked: z.infer<typeof commands>) =>
    Promise.all(asked.map((each) => execute(each).then(result, failure)));
  const executeAtomically = async (asked: z.infer<typeof commands>) => {
    const multi = client.multi();
    for (const each of asked) multi.addCommand(plain(each));
    const replies = await multi.exec().catch((error: unknown) => {
      const partial = error instanceof Error && 'replies' in error ? error.replies : undefined;
      if (!Array.isArray(partial)) throw error;
      return partial as unknown[];
    });
    return (replies as unknown[]).map((reply) => (reply instanceof Error ? failure(reply) : result(reply)));
  };
  const subscribe = async (channel: string, response: ServerResponse) => {
    const write = (text: string) => response.write(`data: ${text}\n\n`);
    const listener = (message: string) => write(`message,${channel},${message}`);
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.on('close', () => void subscriber.unsubscribe(channel, listener).catch(() => undefined));
    await subscriber.subscribe(channel, listener);
    write(`subscribe,${channel},1`);
  };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = decodeURIComponent(request.url ?? '/');
    if (request.method !== 'POST') return send(response, 405, { error: 'Method Not Allowed' });
    if (!isToken(request.headers.authorization, token)) return send(response, 401, { error: 'Unauthorized' });
    if (path.startsWith('/subscribe/')) return subscribe(path.slice('/subscribe/'.length), response);
    const encode = request.headers['upstash-encoding'] === 'base64' ? base64 : (value: unknown) => value;
    const body: unknown = JSON.parse(await textOf(request));
    if (path === '/pipeline')
      return send(response, 200, encodeAll(await executeAll(commands.parse(body)), encode));
    if (path === '/multi-exec') {
      return send(response, 200, encodeAll(await executeAtomically(commands.parse(body)), encode));
    }
    if (path !== '/') return send(response, 404, { error: 'Not Found' });
    send(response, 200, { result: encode(await execute(command.parse(body))) });
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else send(response, 400, failure(error));
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const result = (reply: unknown) => ({ result: reply });
const failure = (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) });

function encodeAll(answers: readonly object[], encode: (value: unknown) => unknown): object[] {
  return answers.map((each) => ('result' in each ? { result: encode(each.result) } : each));
}

/** Encodes every text except `OK`, at every depth. */
function base64(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(base64);
  return typeof value === 'string' && value !== 'OK' ? Buffer.from(value).toString('base64') : value;
}

function isToken(header: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`));
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
