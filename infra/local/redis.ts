/** Redis: the real server with an append-only file, or a JavaScript one whose content does not survive. */
import { spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createClient } from 'redis';
import { onFreePort } from './ports.ts';
import { end, failsWith, firstMessage, forkBound, spawnBound } from './process.ts';

export interface RedisServer {
  readonly port: number;
  /** what it is, for people */
  readonly engine: string;
  readonly survivesRestart: boolean;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

interface RedisOptions {
  readonly onLine?: (line: string) => void;
  /** gives a port to try; for tests */
  readonly pickPort?: () => Promise<number>;
}

/**
 * @param directory where the append-only file lives
 * @throws Error with its last lines if it does not start
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
      // it may be seen to have ended before its last lines have come
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

/** Waits until the server has loaded its file and answers: this one, and not whatever else has taken the port. */
async function answers(port: number, child: ChildProcess): Promise<void> {
  const client = createClient({
    url: `redis://127.0.0.1:${port}`,
    socket: { reconnectStrategy: () => (child.exitCode === null ? 20 : new Error('it has ended')) },
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    for (;;) {
      const found = await client.info('server').catch(() => '');
      if (found.includes(`process_id:${child.pid}`)) return;
      if (child.exitCode !== null) throw new Error('it has ended');
      await new Promise((resume) => setTimeout(resume, 20));
    }
  } finally {
    client.destroy();
  }
}
