/** The real server that a simulation runs its scripts on: over a socket of this machine, with nothing kept. */
import { createHash } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, RESP_TYPES } from 'redis';
import { spawnBound } from '../../../infra/local/process.ts';
import { withLimit } from '../../support/cut-scripts.ts';

/** Upstash's own directive, which a plain Redis does not know. */
const keyLocking = '#!lua flags=allow-key-locking\n';

export type Command = readonly string[];

/** Everything that Redis holds. */
export type RedisImage = readonly (readonly [
  key: string,
  value: Buffer,
  milliseconds: string,
  expiresAt: number | undefined,
])[];

const imageLua = `
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do all[#all + 1] = {key, redis.call('DUMP', key), tostring(redis.call('PTTL', key))} end
return all`;

/**
 * Redis as a history sees it: keys expire, and entries of streams are numbered, by the virtual clock.
 *
 * The server's own clock is never seen: a history takes less time than the shortest expiry, which the virtual clock brings about
 * here instead; and `XADD … *` gets the virtual milliseconds.
 */
export class RedisServer {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #client: Awaited<ReturnType<typeof connect>>;
  /** sha1 of a script as the product knows it → as the server does */
  readonly #shas = new Map<
    string,
    { readonly sha: string; readonly plain: string; readonly addsToStream: boolean }
  >();
  readonly #expiries = new Map<string, number>();

  private constructor(child: ChildProcess, directory: string, client: Awaited<ReturnType<typeof connect>>) {
    this.#child = child;
    this.#directory = directory;
    this.#client = client;
  }

  static async start(): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'ops-db-simulate-'));
    const path = join(directory, 'redis.sock');
    const program = process.env.REDIS_SERVER_BIN ?? 'redis-server';
    const settings = [
      '--port',
      '0',
      '--unixsocket',
      path,
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      directory,
    ];
    const child = spawnBound(program, settings, {});
    const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error));
    const client = await Promise.race([connect(path), failed]);
    return new RedisServer(child, directory, client);
  }

  async stop(): Promise<void> {
    this.#client.destroy();
    this.#child.kill();
    await once(this.#child, 'exit');
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** @param now virtual ms @param limit of the commands that a script may execute */
  async execute(command: Command, now: number, limit?: number): Promise<unknown> {
    await this.#expire(now);
    const [name = ''] = command;
    switch (name.toLowerCase()) {
      case 'evalsha': {
        const [, sha = '', ...rest] = command;
        const known = this.#shas.get(sha);
        if (!known) throw new Error('NOSCRIPT No matching script. Please use EVAL.');
        if (limit !== undefined) {
          const cut = withLimit(keyLocking + known.plain, limit).slice(keyLocking.length);
          return this.#client.sendCommand(['EVAL', cut, ...withClock(rest, known.addsToStream, now)]);
        }
        return this.#client.sendCommand(['EVALSHA', known.sha, ...withClock(rest, known.addsToStream, now)]);
      }
      case 'eval': {
        const [, source = '', ...rest] = command;
        const addsToStream = source.includes("'XADD'");
        const plain = numberedByClock(
          source.startsWith(keyLocking) ? source.slice(keyLocking.length) : source,
        );
        this.#shas.set(sha1(source), { sha: sha1(plain), plain, addsToStream });
        return this.#client.sendCommand(['EVAL', plain, ...withClock(rest, addsToStream, now)]);
      }
      default:
        this.#note(command, now);
        return this.#client.sendCommand([...command]);
    }
  }

  /** What the harness asks; nothing expires by it. */
  ask(...command: string[]): Promise<unknown> {
    return this.#client.sendCommand(command);
  }

  willExpire(key: string): boolean {
    return this.#expiries.has(key);
  }

  async empty(): Promise<void> {
    this.#expiries.clear();
    await this.#client.sendCommand(['FLUSHALL']);
  }

  async image(): Promise<RedisImage> {
    const found = (await this.#client
      .withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
      .sendCommand(['EVAL', imageLua, '0'])) as unknown as [Buffer, Buffer, Buffer][];
    return found.map(
      ([key, value, left]) =>
        [String(key), value, left.toString().replace(/^-.*/, '0'), this.#expiries.get(String(key))] as const,
    );
  }

  async restore(image: RedisImage): Promise<void> {
    await this.empty();
    for (const [key, value, milliseconds, expiresAt] of image) {
      await this.#client.sendCommand(['RESTORE', key, milliseconds, value] as string[]);
      if (expiresAt !== undefined) this.#expiries.set(key, expiresAt);
    }
  }

  async #expire(now: number): Promise<void> {
    for (const [key, at] of this.#expiries) {
      if (at > now) continue;
      this.#expiries.delete(key);
      await this.#client.sendCommand(['DEL', key]);
    }
  }

  #note(command: Command, now: number): void {
    const [name = '', key = '', ...rest] = command;
    const option = (wanted: string) => {
      const at = rest.findIndex((each) => each.toLowerCase() === wanted);
      return at < 0 ? undefined : Number(rest[at + 1]);
    };
    switch (name.toLowerCase()) {
      case 'set': {
        const seconds = option('ex');
        const isNotNew = rest.some((each) => each.toLowerCase() === 'nx') && this.#expiries.has(key);
        if (seconds !== undefined && !isNotNew) this.#expiries.set(key, now + seconds * 1000);
        return;
      }
      case 'expire':
        this.#expiries.set(key, now + Number(rest[0]) * 1000);
        return;
      case 'del':
        for (const each of [key, ...rest]) this.#expiries.delete(each);
        return;
      default:
    }
  }
}

/** A script that adds to a stream gets the clock as one more argument. */
function numberedByClock(source: string): string {
  return source.replaceAll("'*'", "(ARGV[#ARGV] .. '-*')");
}

function withClock(rest: readonly string[], addsToStream: boolean, now: number): string[] {
  return addsToStream ? [...rest, String(now)] : [...rest];
}

async function connect(path: string) {
  const raw = createClient({ socket: { path, reconnectStrategy: () => 20 }, RESP: 2 });
  raw.on('error', () => undefined);
  await raw.connect();
  return raw.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: String });
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}
