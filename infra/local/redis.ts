/** Starts a Redis: the real server with an append-only file, or one in JavaScript that loses its content with a restart. */
import { spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createClient } from 'redis';
import { onFreePort } from './ports.ts';
import { end, failsWith, firstMessage, forkBound, spawnBound } from './process.ts';

export interface RedisServer {
  readonly port: number;
  /** the name of the server, for display */
  readonly engine: string;
  readonly survivesRestart: boolean;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

interface RedisOptions {
  readonly onLine?: (line: string) => void;
  /** picks a port to try; for tests */
  readonly pickPort?: () => Promise<number>;
}

/**
 * @param directory directory of the append-only file
 * @throws Error with the last lines of the server if it does not start
 */
export async function startRedis(
  directory: string,
  wantedPort?: number,
  { onLine, pickPort }: RedisOptions = {},
): Promise<RedisServer> {
  await mkdir(directory, { recursive: true });
  const program = findProgram();
  const options = onLine ? { onLine } : {};
  const start = async (port: number) => {
    if (program) {
      const child = spawnBound(
        program.path,
        [
          ...['--port', String(port), '--bind', '127.0.0.1', '--dir', directory],
          ...[
            '--appendonly',
            'yes',
            '--save',
            '',
            '--maxmemory-policy',
            'noeviction',
            '--loglevel',
            'warning',
          ],
        ],
        options,
      );
      const failed = failsWith(child);
      // wait for the last lines of a server that has exited
      await Promise.race([answers(port, child).catch(() => failed), failed]);
      return { child, port };
    }
    const child = forkBound(
      new URL('js-redis.process.ts', import.meta.url),
      [String(wantedPort ?? 0)],
      options,
    );
    return { child, port: Number(await firstMessage(child)) };
  };
  const { child, port } = await onFreePort(wantedPort, start, pickPort);
  return {
    port,
    engine: nameOf(program),
    survivesRestart: program !== undefined,
    pid: child.pid ?? 0,
    stop: () => end(child, 'SIGTERM'),
  };
}

/** The server that `startRedis` would start. */
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
  if (wanted !== undefined) throw new Error(`REDIS_SERVER_BIN is ${wanted}, which cannot be run`);
  return undefined;
}

/** Waits until the child has loaded its file and answers, as opposed to another server on the same port. */
async function answers(port: number, child: ChildProcess): Promise<void> {
  const client = createClient({
    url: `redis://127.0.0.1:${port}`,
    socket: { reconnectStrategy: () => (child.exitCode === null ? 20 : new Error('the server has exited')) },
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    for (;;) {
      const found = await client.info('server').catch(() => '');
      if (found.includes(`process_id:${child.pid}`)) return;
      if (child.exitCode !== null) throw new Error('the server has exited');
      await new Promise((resume) => setTimeout(resume, 20));
    }
  } finally {
    client.destroy();
  }
}
