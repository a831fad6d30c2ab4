/**
 * Collects every credential that a test stack has issued or received. When the stack stops, searches everything that it has
 * written: logs, answers, URLs, Redis, queues with their dead letters, main. A leak in any test fails its file.
 */
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type pg from 'pg';
import { createClient } from 'redis';
import type { Reply, Request } from './test-stack.ts';

/** The secret part of each kind of credential. */
const shapes: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['an API token', /\bops_\d{1,15}_([0-9A-Za-z]{36})\b/g],
  ['a JWT', /\beyJ[\w-]+\.[\w-]+\.([\w-]{40,})/g],
  ['a ticket', /"ticket":"([\w-]{43})"/g],
  ['a refresh token', /__Host-ops_refresh=[\w-]{22}\.([\w-]{43})/g],
  ['a login cookie', /__Host-ops_login=([\w-]{43})/g],
  ['a login code', /[?&]code=([\w-]{43})/g],
  ['a login state', /[?&]state=([\w-]{43})/g],
  ['a verifier', /"code_verifier":"([\w.~-]{43,128})"/g],
];
/** Redirects of a login carry these; each is valid once. */
const inRedirects = new Set(['a login code', 'a login state']);

export class Canaries {
  readonly #secrets = new Map<string, string>();
  readonly #problems: string[] = [];
  readonly #urls: string[] = [];

  /** @param given secrets of the stack itself, each with its description */
  constructor(given: Readonly<Record<string, string>>) {
    for (const [secret, what] of Object.entries(given)) this.#secrets.set(secret, what);
  }

  collect({ token, body, headers = {} }: Request, reply: Reply): void {
    const { headers: answered } = reply;
    const urls = ['location', 'link'].map((name) => answered.get(name) ?? '').join(' ');
    const sent = [token ?? '', JSON.stringify(body ?? ''), ...Object.values(headers)].join(' ');
    const came = [JSON.stringify(reply.body), ...answered.getSetCookie(), urls].join(' ');
    for (const [what, pattern] of shapes) {
      for (const [, secret = ''] of `${sent} ${came}`.matchAll(pattern)) this.#secrets.set(secret, what);
    }
    this.#urls.push(urls);
    if (reply.status >= 400) this.#problems.push(came);
  }

  /** @throws Error that names each secret found and its place, without its value */
  async find(places: {
    readonly logs: readonly string[];
    readonly redisPort: number;
    readonly sqs: string;
    readonly queues: readonly string[];
    readonly main: pg.Pool;
  }): Promise<void> {
    const texts: Readonly<Record<string, string>> = {
      logs: places.logs.join('\n'),
      problems: this.#problems.join('\n'),
      urls: this.#urls.join('\n'),
      redis: await redisText(places.redisPort),
      messages: await messagesText(places.sqs, places.queues),
      main: await mainText(places.main),
    };
    const found = Object.entries(texts).flatMap(([place, text]) =>
      [...this.#secrets].flatMap(([secret, what]) =>
        text.includes(secret) && !(inRedirects.has(what) && place === 'urls') ? [`${what} in ${place}`] : [],
      ),
    );
    if (found.length > 0) throw new Error(`secrets found: ${[...new Set(found)].join(', ')}`);
  }
}

/** Every key with its content. */
async function redisText(port: number): Promise<string> {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const names = await client.keys('*');
    const values = await Promise.all(
      names.map(async (name) => {
        switch (await client.type(name)) {
          case 'hash':
            return JSON.stringify(await client.hGetAll(name));
          case 'list':
            return JSON.stringify(await client.lRange(name, 0, -1));
          case 'set':
            return JSON.stringify(await client.sMembers(name));
          case 'zset':
            return JSON.stringify(await client.zRange(name, 0, -1));
          case 'stream':
            return JSON.stringify(await client.xRange(name, '-', '+'));
          default:
            return (await client.get(name)) ?? '';
        }
      }),
    );
    return [...names, ...values].join('\n');
  } finally {
    client.destroy();
  }
}

/** The visible messages and the dead letters. */
async function messagesText(endpoint: string, queues: readonly string[]): Promise<string> {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = new SQSClient({ endpoint, region: 'us-east-1', credentials });
  const bodies: string[] = [];
  for (const QueueUrl of queues.flatMap((url) => [url, `${url}-dead-letter`])) {
    for (let wasEmpty = false; !wasEmpty;) {
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 600 }),
      );
      wasEmpty = Messages.length === 0;
      bodies.push(...Messages.map(({ Body }) => Body ?? ''));
    }
  }
  client.destroy();
  return bodies.join('\n');
}

async function mainText(main: pg.Pool): Promise<string> {
  const tables = await main.query<{ name: string }>(
    "select format('%I', tablename) as name from pg_tables where schemaname = 'public'",
  );
  const texts = await Promise.all(
    tables.rows.map(async ({ name }) => {
      const { rows } = await main.query<{ row: string }>(`select t::text as row from ${name} t`);
      return rows.map(({ row }) => row).join('\n');
    }),
  );
  return texts.join('\n');
}
