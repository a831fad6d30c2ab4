import { Startup } from './startup.ts';

/** Receives the output of a part, line by line. */
export type OnLine = (line: string) => void;

type Stop = () => Promise<unknown> | void;

/** The parts of a stack: each is reported as it comes up, and they stop in reverse order. */
export class Parts {
  readonly #stops: Stop[] = [];
  readonly #startup: Startup;
  readonly #log: OnLine;

  /** @param log gets every line of every part */
  constructor(log: OnLine, startup = new Startup()) {
    this.#log = log;
    this.#startup = startup;
  }

  /** Starts the part `name`. @throws Error with its name, the cause and its last lines */
  start<T>(name: string, begin: (onLine: OnLine) => Promise<T>): Promise<T> {
    return this.#startup.part(name, (hear) =>
      begin((line) => {
        hear(line);
        this.#log(`${name}: ${line}`);
      }),
    );
  }

  /** Stops `part` with the stack. */
  keep<T extends { readonly stop: () => Promise<void> }>(part: T): T {
    this.onStop(() => part.stop());
    return part;
  }

  onStop(stop: Stop): void {
    this.#stops.push(stop);
  }

  async stop(): Promise<void> {
    for (const each of this.#stops.splice(0).reverse()) await each();
  }
}
