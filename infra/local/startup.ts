/** Reports each part of a starting stack as it comes up, or with its last lines if it fails. */

const keptLines = 10;

type OnLine = (line: string) => void;

export class Startup {
  readonly #report: OnLine;
  readonly #now: () => number;
  /** last lines of the parts that are not up yet */
  readonly #waiting = new Map<string, string[]>();

  /** @param report receives a line per part @param now milliseconds */
  constructor(report: OnLine = () => undefined, now: () => number = () => performance.now()) {
    this.#report = report;
    this.#now = now;
  }

  /**
   * Starts a part. @param start gets a function that receives its output lines
   * @throws Error with the name of the part, the cause and its last lines
   */
  async part<T>(name: string, start: (hear: OnLine) => Promise<T>): Promise<T> {
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

  /** Describes the parts that are not up. */
  describe(): string {
    const parts = [...this.#waiting].map(([name, lines]) => withLines(`${name} is not up`, lines));
    return parts.length > 0 ? parts.join('\n') : 'All parts are up; the last step is missing';
  }
}

function withLines(text: string, lines: readonly string[]): string {
  return lines.length === 0
    ? text
    : `${text}. Its last lines:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
