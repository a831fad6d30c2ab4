/** No sufficiently recent replica answers. */
export class ReplicaUnavailable extends Error {
  override readonly name = 'ReplicaUnavailable';

  constructor(options?: ErrorOptions) {
    super('no sufficiently recent replica answers', options);
  }
}

/** A replica cancelled a statement because of its time-out. */
export class StatementTooSlow extends Error {
  override readonly name = 'StatementTooSlow';

  constructor(options?: ErrorOptions) {
    super('a statement was cancelled by its time-out', options);
  }
}
