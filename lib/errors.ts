/** A store that should have answered did not, or not in time: what was asked of it may or may not have happened. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
  readonly what: 'redis' | 'sqs' | 'main' | 'replica';

  constructor(what: Unavailable['what'], options?: ErrorOptions) {
    super(`${what} did not answer`, options);
    this.what = what;
  }
}

/** A store answered, but gave the statement up because it ran into its time-out. */
export class StatementTooSlow extends Error {
  override readonly name = 'StatementTooSlow';

  constructor(options?: ErrorOptions) {
    super('a statement ran into its time-out', options);
  }
}
