/**
 * One Lambda function on this machine: instances are processes of their own, each with one event at a time and frozen between
 * two. A new one is started when none is idle, one at a time; the service refuses what its concurrency has no room for.
 */
import type { FunctionName } from '../topology.ts';
import { Instance, type InstanceOptions } from './lambda-instance.ts';
import type { FreezeRules } from './limits/freeze.ts';
import { FunctionError, isTooLarge, Refused } from './limits/invocation.ts';
import { advance, isLoop } from './limits/lineage.ts';

export interface LambdaOptions extends InstanceOptions {
  readonly name: FunctionName;
  readonly rules: {
    /** invocations at once */
    readonly concurrency: number;
    /** most instances on this machine; more invocations wait for one, as for a slow cold start */
    readonly instances: number;
    /** invocations in one chain; Infinity: the function may cause its own invocation */
    readonly longestChain: number;
    readonly coldStartMilliseconds: number;
    readonly freeze: FreezeRules;
  };
}

interface Call {
  readonly event: unknown;
  readonly trace: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Lambda {
  readonly options: LambdaOptions;
  readonly #idle: Instance[] = [];
  readonly #all = new Set<Instance>();
  readonly #waiting: Call[] = [];
  /** invocations that were begun, those that wait for an instance included */
  #running = 0;
  #starting = 0;
  #stopped = false;
  #invocations = 0;

  constructor(options: LambdaOptions) {
    this.options = options;
  }

  get name(): FunctionName {
    return this.options.name;
  }

  /** How often the function was run. */
  get invocations(): number {
    return this.#invocations;
  }

  /**
   * @param trace the header that came with the event
   * @throws Refused if the service does not run the function
   * @throws FunctionError if the function throws, ends, answers too much or takes longer than its time-out
   */
  async invoke(event: unknown, trace?: string): Promise<unknown> {
    const { name, rules } = this.options;
    if (isTooLarge(event)) throw new Refused('RequestTooLargeException', 'the event is too large');
    if (isLoop(trace, name, rules.longestChain))
      throw new Refused('RecursiveInvocationException', `${name} was invoked in a loop`);
    if (this.#running >= rules.concurrency) throw new Refused('TooManyRequestsException', 'Rate Exceeded.');
    this.#running += 1;
    this.#invocations += 1;
    try {
      const result = await new Promise<unknown>((resolve, reject) => {
        this.#waiting.push({ event, trace: advance(trace, name), resolve, reject });
        this.#next();
      });
      if (isTooLarge(result)) throw new FunctionError('Function.ResponseSizeTooLarge');
      return result;
    } finally {
      this.#running -= 1;
    }
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
    await Promise.all([...this.#all].map((each) => each.stop()));
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const instance = this.#idle.pop();
      if (!instance) break;
      const call = this.#waiting.shift();
      if (call) void this.#run(instance, call);
    }
    const hasRoom = this.#starting === 0 && this.#all.size < this.options.rules.instances;
    if (this.#waiting.length > 0 && hasRoom) {
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
    try {
      const { coldStartMilliseconds } = this.options.rules;
      if (coldStartMilliseconds > 0) await new Promise((begin) => setTimeout(begin, coldStartMilliseconds));
      const instance = new Instance(this.options, this.options.rules.freeze);
      this.#all.add(instance);
      instance.child.once('exit', () => {
        this.#all.delete(instance);
        const index = this.#idle.indexOf(instance);
        if (index >= 0) this.#idle.splice(index, 1);
      });
      await instance.ready;
      this.#idle.push(instance);
    } finally {
      this.#starting -= 1;
    }
    this.#next();
  }

  async #run(instance: Instance, { event, trace, resolve, reject }: Call): Promise<void> {
    try {
      resolve(await instance.invoke(event, trace));
    } catch (error) {
      reject(error instanceof Error ? error : new FunctionError(String(error)));
    }
    if (this.#all.has(instance) && instance.child.connected) this.#idle.push(instance);
    this.#next();
  }
}
