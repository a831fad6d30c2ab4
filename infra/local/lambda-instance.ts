/** An instance of a function: a process that handles one event at a time, and is frozen between two. */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import * as z from 'zod/mini';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';
import { fateOf, type FreezeRules } from './limits/freeze.ts';
import { FunctionError } from './limits/invocation.ts';
import { end, forkBound, lastLines } from './process.ts';

export interface InstanceOptions {
  readonly name: string;
  readonly spec: Pick<FunctionSpec, 'timeoutSeconds'>;
  /** the module that exports `handler` */
  readonly bundle: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly onLine: (line: string) => void;
}

const message = z.union([
  z.object({ ready: z.literal(true) }),
  z.object({ id: z.string(), result: z.optional(z.unknown()), error: z.optional(z.string()) }),
]);

export class Instance {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly #timeoutMilliseconds: number;
  readonly #freeze: FreezeRules;
  #frozenAt: number | undefined;
  #losses = 0;
  #answer: ((answer: { result?: unknown; error?: string }) => void) | undefined;

  constructor({ name, spec, bundle, environment, onLine }: InstanceOptions, freeze: FreezeRules) {
    this.#timeoutMilliseconds = spec.timeoutSeconds * 1000;
    this.#freeze = freeze;
    this.child = forkBound(new URL('lambda.process.ts', import.meta.url), [bundle], {
      environment: { ...runtimeEnvironment(name), ...environment },
      onLine,
    });
    this.ready = new Promise((resolve, reject) => {
      this.child.on('message', (raw) => {
        const read = message.parse(raw);
        // nothing goes on after an answer
        this.#stopRunning();
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

  /** @throws FunctionError */
  async invoke(event: unknown, trace: string): Promise<unknown> {
    const frozen = this.#frozenAt === undefined ? 0 : performance.now() - this.#frozenAt;
    const fate = fateOf(this.#freeze, frozen, this.#losses);
    if (fate) this.#losses += 1;
    const timer = setTimeout(() => this.child.kill('SIGKILL'), this.#timeoutMilliseconds);
    try {
      const { result, error } = await new Promise<{ result?: unknown; error?: string }>((resolve, reject) => {
        this.#answer = resolve;
        const deadline = Date.now() + this.#timeoutMilliseconds;
        this.child.send({ id: randomUUID(), event, deadline, trace, fate }, (failed) => {
          if (failed) reject(new FunctionError('the instance has gone'));
        });
        this.#goOn();
      });
      if (error !== undefined) throw new FunctionError(error);
      return result;
    } finally {
      clearTimeout(timer);
      this.#answer = undefined;
    }
  }

  async stop(): Promise<void> {
    this.#goOn();
    await end(this.child, 'SIGTERM', 2000);
  }

  #stopRunning(): void {
    if (this.#frozenAt === undefined && this.child.kill('SIGSTOP')) this.#frozenAt = performance.now();
  }

  #goOn(): void {
    if (this.#frozenAt === undefined) return;
    this.#frozenAt = undefined;
    this.child.kill('SIGCONT');
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
