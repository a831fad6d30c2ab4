/** A stack while it starts: each part is reported as it comes up, and named with its last lines if it does not. */

const keptLines = 10;

type Hear = (line: string) => void;

export class Startup {
  readonly #report: Hear;
  readonly #now: () => number;
  /** parts that are not up yet, with their last lines */
  readonly #waiting = new Map<string, string[]>();

  /** @param report gets a line per part @param now milliseconds */
  constructor(report: Hear = () => undefined, now: () => number = () => performance.now()) {
    this.#report = report;
    this.#now = now;
  }

  /**
   * Starts a part. @param start is given where its lines go
   * @throws Error that names the part, the cause and its last lines
   */
  async part<T>(name: string, start: (hear: Hear) => Promise<T>): Promise<T> {
    const lines: string[] = [];
    this.#waiting.set(name, lines);
    const begun = this.#now();
    try {
      const started = await start((line) => {
        if (lines.push(line) > keptLines) lines.shift();
      });
      this.#report(`${name} is up after ${((this.#now() - begun) / 1000).toFixed(1)} s`);
      return started;
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      this.#report(`${name} did not start`);
      throw new Error(withLines(`${name} did not start: ${cause}`, cause.includes('\n') ? [] : lines), {
        cause: error,
      });
    } finally {
      this.#waiting.delete(name);
    }
  }

  /** What is not up, for people. */
  describe(): string {
    const parts = [...this.#waiting].map(([name, lines]) => withLines(`${name} is not up`, lines));
    return parts.length > 0 ? parts.join('\n') : 'Nothing is missing but the last step';
  }
}

function withLines(text: string, lines: readonly string[]): string {
  return lines.length === 0
    ? text
    : `${text}. Its last lines:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
