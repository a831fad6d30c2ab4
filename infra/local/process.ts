/** Child processes that do not outlive their parent. */
import { fork, spawn, type ChildProcess, type ForkOptions } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Ids of processes that must go when this one does, whatever ends it. */
const bound = new Set<number>();

const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));

export interface BoundOptions {
  readonly environment?: NodeJS.ProcessEnv;
  /** run as this user, who may still enter every directory */
  readonly userId?: number;
  /** what the program gets when this process dies */
  readonly deathSignal?: 'INT' | 'KILL';
  readonly onLine?: (line: string) => void;
}

/**
 * Starts a program that the kernel kills when this process dies (Linux); elsewhere the guardian does it.
 */
export function spawnBound(
  program: string,
  args: readonly string[],
  options: BoundOptions = {},
): ChildProcess {
  const { userId, deathSignal = 'KILL' } = options;
  const identity = userId === undefined ? [] : identityOf(userId);
  const [command, ...rest] = setpriv
    ? [setpriv, ...identity, `--pdeathsig=${deathSignal}`, program, ...args]
    : [program, ...args];
  const child = spawn(command, rest, {
    env: options.environment ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(userId !== undefined && !setpriv && { uid: userId, gid: userId }),
  });
  watch(child, options.onLine);
  return child;
}

/** Without this capability a clone that only root may enter would be closed to the programs that refuse to be root. */
function identityOf(userId: number): string[] {
  const capability = '+dac_override';
  return [
    `--reuid=${userId}`,
    `--regid=${userId}`,
    '--clear-groups',
    `--inh-caps=${capability}`,
    `--ambient-caps=${capability}`,
  ];
}

/** Starts one of our own modules in a process that ends when its channel to this one closes; frozen ones the kernel kills (Linux). */
export function forkBound(
  module: URL,
  args: readonly string[],
  options: BoundOptions & Pick<ForkOptions, 'execArgv' | 'serialization'> = {},
): ChildProcess {
  const execArgv = options.execArgv ?? [];
  const child = fork(fileURLToPath(module), [...args], {
    env: options.environment ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    ...(setpriv
      ? { execPath: setpriv, execArgv: ['--pdeathsig=KILL', process.execPath, ...execArgv] }
      : { execArgv }),
    serialization: options.serialization ?? 'json',
  });
  watch(child, options.onLine);
  return child;
}

/** The last lines of each child, for the error that says why it has ended. */
const linesOf = new WeakMap<ChildProcess, string[]>();
const keptLines = 20;

export function lastLines(child: ChildProcess): readonly string[] {
  return linesOf.get(child) ?? [];
}

/** To be asked as soon as the child is there. @throws Error with its last lines once it has ended; never resolves */
export function failsWith(child: ChildProcess): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (why: unknown) => reject(new Error([why, ...lastLines(child)].join('\n')));
    child.once('error', fail);
    // `close` comes after the last line
    child.once('close', (code, signal) => fail(`it ended by itself (${signal ?? code})`));
  });
}

/** The first message of a child of `forkBound`. @throws Error with its last lines if it ends before */
export async function firstMessage(child: ChildProcess): Promise<unknown> {
  const [message] = (await Promise.race([once(child, 'message'), failsWith(child)])) as unknown[];
  return message;
}

function watch(child: ChildProcess, onLine: ((line: string) => void) | undefined): void {
  const { pid } = child;
  const lines: string[] = [];
  linesOf.set(child, lines);
  const hear = (line: string) => {
    if (lines.push(line) > keptLines) lines.shift();
    onLine?.(line);
  };
  if (pid !== undefined) {
    bound.add(pid);
    child.once('exit', () => bound.delete(pid));
  }
  child.on('error', (error) => hear(String(error)));
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const whole = (rest + text).split('\n');
      rest = whole.pop() ?? '';
      for (const line of whole) if (line !== '') hear(line);
    });
    stream?.on('end', () => rest !== '' && hear(rest));
  }
}

process.once('exit', () => {
  for (const pid of bound) kill(pid, 'SIGKILL');
});

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has gone already
  }
}

/** Ends a child, and waits for it; after `patienceMilliseconds` by force. */
export async function end(
  child: ChildProcess,
  signal: NodeJS.Signals,
  patienceMilliseconds = 5000,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  const force = setTimeout(() => child.kill('SIGKILL'), patienceMilliseconds);
  await gone;
  clearTimeout(force);
}

/** In a child of `forkBound`: what the parent gave, and the end with the parent. */
export function endWithParent(): void {
  process.once('disconnect', () => process.exit(0));
  process.on('SIGINT', () => undefined);
}
