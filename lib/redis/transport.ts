/**
 * Upstash's REST protocol over kept-alive connections. A Lambda is frozen between requests, and a connection can die unnoticed
 * meanwhile. So the first call afterwards is repeated once, on a new connection, which is safe because every script is idempotent.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import { RedisError, RedisUnreachable } from './failure.ts';

export interface TransportSettings {
  /** REST endpoint */
  readonly url: string;
  readonly token: string;
  /** of a call including its repetition */
  readonly timeoutMilliseconds: number;
  /** a connection that was idle for longer may be dead: it gets a third of the time-out */
  readonly suspectAfterMilliseconds?: number;
}

interface Call {
  readonly path?: readonly string[];
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export class Transport {
  readonly #url: URL;
  readonly #token: string;
  readonly #timeout: number;
  readonly #agent: http.Agent;
  readonly #suspectAfter: number;
  readonly #usedAt = new WeakMap<Socket, number>();

  constructor({ url, token, timeoutMilliseconds, suspectAfterMilliseconds = 1000 }: TransportSettings) {
    this.#suspectAfter = suspectAfterMilliseconds;
    this.#url = new URL(url);
    this.#token = token;
    this.#timeout = timeoutMilliseconds;
    const options = { keepAlive: true, scheduling: 'lifo' } as const;
    this.#agent = this.#url.protocol === 'https:' ? new https.Agent(options) : new http.Agent(options);
  }

  /**
   * @returns `{result}`, or for a pipeline a list of `{result}` or `{error}`
   * @throws RedisUnreachable, or RedisError with Redis's message
   */
  async request<T>(call: Call): Promise<T> {
    const deadline = performance.now() + this.#timeout;
    const first = await this.#post(call, this.#timeout);
    const answer =
      first === 'connection lost' ? await this.#again(call, deadline - performance.now()) : first;
    if (answer === 'connection lost')
      throw new RedisUnreachable('Redis did not answer: connection lost twice');
    return readAnswer(answer) as T;
  }

  async #again(call: Call, milliseconds: number): Promise<Answer | 'connection lost'> {
    // other idle connections may be dead too
    for (const sockets of Object.values(this.#agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
    return this.#post(call, milliseconds);
  }

  /** @returns `connection lost` if a kept-alive connection ended or timed out before any answer */
  #post(call: Call, milliseconds: number): Promise<Answer | 'connection lost'> {
    const body = JSON.stringify(call.body);
    const { protocol, hostname, port, pathname } = this.#url;
    const path = [pathname.replace(/\/$/, ''), ...(call.path ?? [])].join('/');
    return new Promise((resolve, reject) => {
      let isKept = false;
      let connection: Socket | undefined;
      let timer: NodeJS.Timeout;
      const request = (protocol === 'https:' ? https : http).request({
        ...{ hostname, port, path: path === '' ? '/' : path, method: 'POST', agent: this.#agent },
        headers: {
          ...call.headers,
          Authorization: `Bearer ${this.#token}`,
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
        },
      });
      const end = (error: Error) => {
        clearTimeout(timer);
        request.destroy();
        if (isKept) resolve('connection lost');
        else reject(error);
      };
      const limit = (allowed: number) => {
        clearTimeout(timer);
        timer = setTimeout(
          () => end(new RedisUnreachable(`Redis did not answer within ${Math.round(milliseconds)} ms`)),
          Math.max(1, allowed),
        );
      };
      limit(milliseconds);
      request.on('socket', (socket) => {
        connection = socket;
        isKept = request.reusedSocket;
        const idle = performance.now() - (this.#usedAt.get(socket) ?? 0);
        if (isKept && idle >= this.#suspectAfter) limit(milliseconds / 3);
      });
      request.on('error', (error) =>
        end(new RedisUnreachable(`Redis did not answer: ${error.message}`, { cause: error })),
      );
      request.on('response', (response) => {
        isKept = false;
        limit(milliseconds);
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', (error) =>
          end(new RedisUnreachable(`Redis did not answer in full: ${error.message}`)),
        );
        response.on('end', () => {
          clearTimeout(timer);
          if (connection) this.#usedAt.set(connection, performance.now());
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() });
        });
      });
      request.end(body);
    });
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function readAnswer({ status, text }: Answer): unknown {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new RedisUnreachable(`status ${status} without an answer from Redis`);
  }
  if (status >= 500) throw new RedisUnreachable(`status ${status}: ${errorOf(body)}`);
  if (status >= 400) throw new RedisError(errorOf(body));
  return body;
}

function errorOf(body: unknown): string {
  return typeof body === 'object' && body !== null && 'error' in body
    ? String(body.error)
    : 'no reason given';
}
