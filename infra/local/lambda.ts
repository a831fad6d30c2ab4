/**
 * One Lambda function on this machine: instances are processes of their own, each with one event at a time. A new one is
 * started when none is idle, one at a time, up to the topology's concurrency.
 */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import * as z from 'zod/mini';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';
import type { FunctionName } from '../topology.ts';
import { end, forkBound, lastLines } from './process.ts';

/** What the function threw, as the Lambda service tells it. */
class FunctionError extends Error {
  override readonly name = 'FunctionError';
}

export interface LambdaOptions {
  readonly name: FunctionName;
  readonly spec: Pick<FunctionSpec, 'concurrency' | 'timeoutSeconds'>;
  /** the module that exports `handler` */
  readonly bundle: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly onLine: (line: string) => void;
}

interface Call {
  readonly event: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

const message = z.union([
  z.object({ ready: z.literal(true) }),
  z.object({ id: z.string(), result: z.optional(z.unknown()), error: z.optional(z.string()) }),
]);

export class Lambda {
  readonly #options: LambdaOptions;
  readonly #idle: Instance[] = [];
  readonly #all = new Set<Instance>();
  readonly #waiting: Call[] = [];
  #starting = 0;
  #stopped = false;

  constructor(options: LambdaOptions) {
    this.#options = options;
  }

  /** @throws FunctionError if the function throws, ends or takes longer than its time-out */
  invoke(event: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, resolve, reject });
      this.#next();
    });
  }

  /** Starts an instance before the first event has to wait for it. */
  async warmUp(): Promise<void> {
    await this.#start();
  }

  /** Ids of the processes that run now. */
  pids(): number[] {
    return [...this.#all].flatMap(({ child }) => child.pid ?? []);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new FunctionError('the stack is stopping'));
    await Promise.all([...this.#all].map(({ child }) => end(child, 'SIGTERM', 2000)));
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const instance = this.#idle.pop();
      if (!instance) break;
      const call = this.#waiting.shift();
      if (call) void this.#run(instance, call);
    }
    if (this.#waiting.length > 0 && this.#starting === 0 && this.#all.size < this.#options.spec.concurrency) {
      this.#start().catch((error: unknown) => {
        if (this.#all.size > 0) return;
        const cause = error instanceof Error ? error : new Error(String(error));
        for (const { reject } of this.#waiting.splice(0)) reject(cause);
      });
    }
  }

  async #start(): Promise<void> {
    if (this.#stopped) throw new FunctionError('the stack is stopping');
    this.#starting += 1;
    const instance = new Instance(this.#options);
    this.#all.add(instance);
    instance.child.once('exit', () => {
      this.#all.delete(instance);
      const index = this.#idle.indexOf(instance);
      if (index >= 0) this.#idle.splice(index, 1);
    });
    try {
      await instance.ready;
      this.#idle.push(instance);
    } finally {
      this.#starting -= 1;
    }
    this.#next();
  }

  async #run(instance: Instance, { event, resolve, reject }: Call): Promise<void> {
    try {
      resolve(await instance.invoke(event, this.#options.spec.timeoutSeconds));
    } catch (error) {
      reject(error instanceof Error ? error : new FunctionError(String(error)));
    }
    if (this.#all.has(instance) && instance.child.connected) this.#idle.push(instance);
    this.#next();
  }
}

class Instance {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  #answer: ((answer: { result?: unknown; error?: string }) => void) | undefined;

  constructor({ name, bundle, environment, onLine }: LambdaOptions) {
    this.child = forkBound(new URL('lambda.process.ts', import.meta.url), [bundle], {
      environment: { ...runtimeEnvironment(name), ...environment },
      onLine,
    });
    this.ready = new Promise((resolve, reject) => {
      this.child.on('message', (raw) => {
        const read = message.parse(raw);
        if ('ready' in read) resolve();
        else this.#answer?.(read);
      });
      this.child.once('close', (code, signal) => {
        const error = `function ${name} ended (${signal ?? code})`;
        reject(new FunctionError([error, ...lastLines(this.child)].join('\n')));
        this.#answer?.({ error });
      });
    });
    this.ready.catch(() => undefined);
  }

  async invoke(event: unknown, timeoutSeconds: number): Promise<unknown> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), timeoutSeconds * 1000);
    try {
      const { result, error } = await new Promise<{ result?: unknown; error?: string }>((resolve, reject) => {
        this.#answer = resolve;
        this.child.send(
          { id: randomUUID(), event, deadline: Date.now() + timeoutSeconds * 1000 },
          (failed) => {
            if (failed) reject(new FunctionError('the instance has gone'));
          },
        );
      });
      if (error !== undefined) throw new FunctionError(error);
      return result;
    } finally {
      clearTimeout(timer);
      this.#answer = undefined;
    }
  }
}

/** What the Lambda service itself puts into the environment, and nothing of this process's own but where programs are. */
function runtimeEnvironment(name: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    TZ: 'UTC',
    AWS_REGION: 'us-east-1',
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  };
}
