const verifiedForMilliseconds = 15 * 60 * 1000;
const maxRemembered = 10_000;

/** API tokens that this instance has verified recently. They are accepted while Redis does not answer. */
export class VerifiedTokens {
  readonly #verifiedAt = new Map<string, number>();

  remember(hash: string, nowMilliseconds: number): void {
    this.#verifiedAt.delete(hash);
    this.#verifiedAt.set(hash, nowMilliseconds);
    const [oldest] = this.#verifiedAt.keys();
    if (this.#verifiedAt.size > maxRemembered && oldest !== undefined) this.#verifiedAt.delete(oldest);
  }

  forget(hash: string): void {
    this.#verifiedAt.delete(hash);
  }

  knows(hash: string, nowMilliseconds: number): boolean {
    return nowMilliseconds - (this.#verifiedAt.get(hash) ?? -Infinity) < verifiedForMilliseconds;
  }
}
