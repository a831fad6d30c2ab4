/** Redis: the real server with an append-only file, or a JavaScript one whose content does not survive. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createClient } from 'redis';
import { freePort } from './ports.ts';
import { end, forkBound, spawnBound } from './process.ts';

export interface RedisServer {
  readonly port: number;
  /** what it is, for people */
  readonly engine: string;
  readonly survivesRestart: boolean;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/** @param directory where the append-only file lives */
export async function startRedis(directory: string, wantedPort?: number): Promise<RedisServer> {
  await mkdir(directory, { recursive: true });
  const port = wantedPort ?? (await freePort());
  const program = findProgram();
  const child = program
    ? spawnBound(program.path, [
        ...['--port', String(port), '--bind', '127.0.0.1', '--dir', directory],
        ...['--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction', '--loglevel', 'warning'],
      ])
    : forkBound(new URL('js-redis.process.ts', import.meta.url), [String(port)]);
  if (!program) await once(child, 'message');
  await answers(port);
  return {
    port,
    engine: nameOf(program),
    survivesRestart: program !== undefined,
    pid: child.pid ?? 0,
    stop: () => end(child, 'SIGTERM'),
  };
}

/** What `startRedis` would start here. */
export function redisEngine(): { readonly name: string; readonly isReal: boolean } {
  const program = findProgram();
  return { name: nameOf(program), isReal: program !== undefined };
}

function nameOf(program: { readonly version: string } | undefined): string {
  return program?.version ?? 'js-redis-server (in JavaScript)';
}

function findProgram(): { path: string; version: string } | undefined {
  const wanted = process.env.REDIS_SERVER_BIN;
  const names = wanted === undefined ? ['redis-server', 'valkey-server'] : [wanted];
  for (const path of names) {
    const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
    if (status === 0) return { path, version: /^(.*?v=\S+)/.exec(stdout)?.[1] ?? path };
  }
  if (wanted !== undefined) throw new Error(`REDIS_SERVER_BIN names ${wanted}, which does not run`);
  return undefined;
}

/** Waits until the server has loaded its file and answers. */
async function answers(port: number): Promise<void> {
  const client = createClient({
    url: `redis://127.0.0.1:${port}`,
    socket: { reconnectStrategy: (tries) => (tries < 400 ? 20 : new Error('redis does not start')) },
  });
  client.on('error', () => undefined);
  await client.connect();
  for (let loading = true; loading;) {
    loading = await client.ping().then(
      () => false,
      () => true,
    );
  }
  await client.close();
}
