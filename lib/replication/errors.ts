/** No replica that is recent enough answers. */
export class ReplicaUnavailable extends Error {
  override readonly name = 'ReplicaUnavailable';

  constructor(options?: ErrorOptions) {
    super('no replica answers that is recent enough', options);
  }
}

/** A replica answered, but gave the statement up because it ran into its time-out. */
export class StatementTooSlow extends Error {
  override readonly name = 'StatementTooSlow';

  constructor(options?: ErrorOptions) {
    super('a statement ran into its time-out', options);
  }
}
