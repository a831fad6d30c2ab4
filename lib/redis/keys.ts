/**
 * The names of all keys. The keys of an observatory share a prefix, so that several observatories can share a Redis. Keys of a
 * transaction do not expire before it is done, unless stated.
 */
export function keysOf(prefix: string) {
  const key = (...parts: readonly string[]) => [prefix, ...parts].join(':');
  return {
    /** hash: one accepted transaction with its state */
    transaction: (id: string) => key('tx', id),
    /** zset of transaction ids by stamp: accepted, not yet recorded by main */
    pending: key('pending'),
    /** zset of transaction ids by the end of a processor's lease (ms); not in `pending` meanwhile */
    inflight: key('inflight'),
    /** zset of transaction ids by LSN: recorded by main, not yet confirmed at every replica */
    committed: key('committed'),
    /** zset of transaction ids by stamp: set aside by main, not yet confirmed at every replica */
    setAside: key('set-aside'),
    /** number of transactions that main recorded in an interval of ten seconds; kept two minutes */
    drained: (tenSeconds: number) => key('drained', String(tenSeconds)),
    /** hash of transaction id → body and flags, for reads; `p:<id>` names the other aggregate that it is kept with */
    overlay: (aggregate: string) => key('overlay', aggregate),
    /** hash: the rows of an aggregate as far as the site knows them, for the accept script; kept 14 days after the last change */
    record: (aggregate: string) => key('record', aggregate),
    /** transaction id of an idempotency key; kept 30 days */
    idempotency: (principal: string, digest: string) => key('idem', principal, digest),
    /** zset of aggregates with an overlay, by start time (ms) */
    overlaid: key('overlaid'),
    /** zset of `<planned unit>:<start>:<aggregate>` in lexical order, for ranges of one planned unit */
    overlaidByUnit: key('overlaid', 'by-unit'),
    /** set of aggregates with an overlay whose planned unit and start the site does not know */
    overlaidUnknown: key('overlaid', 'unknown'),
    /** `<row>:<aggregate>:<transaction>` as text: in which aggregate's overlay a row is that has not the aggregate's id */
    overlaidByRecord: key('overlaid', 'by-record'),
    /** hash of API token → principal; key by SHA-256 of the token */
    token: (hash: string) => key('token', hash),
    /** set of hashes of one user's API tokens */
    tokensOf: (principal: string) => key('tokens', 'of', principal),
    /** zset of hashes of one user's reserved API tokens, by when the reservation expires (ms) */
    tokensInTheMaking: (principal: string) => key('tokens', 'making', principal),
    /** hash of the API token with this id */
    tokenById: (id: string) => key('token', 'id', id),
    /** since when a revocation has had no pending transaction that would record it (ms); kept an hour */
    unrecordedSince: (id: string) => key('token', 'untold', id),
    /** hash of a user: role, permissions, whether active */
    user: (principal: string) => key('user', principal),
    /** set of user ids */
    users: key('users'),
    /** hash of a session: user, end, SHA-256 of the refresh token */
    session: (sessionId: string) => key('session', sessionId),
    /** a login that was redirected to GitHub; ≤ 10 min */
    loginState: (hash: string) => key('login', 'state', hash),
    /** a login that has returned from GitHub, to be exchanged once; ≤ 60 s */
    loginCode: (hash: string) => key('login', 'code', hash),
    /** zset of the newest audit events by time (ms), including those that no replica has yet */
    recentAudit: key('audit', 'recent'),
    /** present for an hour after the use of tokens has been recorded */
    usageRecorded: key('usage-recorded'),
    /** when all users and tokens of a replica were loaded for the first time (ms) */
    usersLoadedFirst: key('people', 'loaded', 'first'),
    /** present once all users and tokens have been loaded: from then on, one that is missing in Redis does not exist */
    usersLoaded: key('people', 'loaded'),
    /** present while access tokens of a revoked session could still be valid */
    revokedSession: (sessionId: string) => key('session', 'revoked', sessionId),
    /** principal of a WebSocket ticket; ≤ 30 s */
    ticket: (hash: string) => key('ticket', hash),
    /** requests of one principal in one second; a few seconds */
    rate: (principal: string, window: string) => key('rate', principal, window),
    /** zset of waiting requests, by their latest end (ms) */
    waits: key('waits'),
    /** the same of one principal */
    waitsOf: (principal: string) => key('waits', 'of', principal),
    /** hash of counters: bytes and entries in the buffer, failed, link state, … */
    stats: key('stats'),
    /** the highest LSN ever cleaned: a replica below it must not answer */
    floor: key('floor'),
    /** present while a replication check is scheduled */
    checkScheduled: key('check-scheduled'),
    /** present while a wake-up to probe main is scheduled */
    wakeScheduled: key('wake-scheduled'),
    /** present while a wake-up for transactions that wait for their start is scheduled */
    startCheckScheduled: key('start-check-scheduled'),
    /** present while main is unreachable */
    mainDown: key('main-down'),
    /** hash of transaction id → its failures on its own; kept a day after the last one */
    suspects: key('suspects'),
    /** hash of signature → aggregates with this failure since the last success; kept a day after the last one */
    failures: key('failures'),
    /** maximum size of a batch, after a larger one timed out; kept an hour */
    batchLimit: key('batch-limit'),
    /** present for two minutes after main answered but did not record a transaction */
    noProgress: key('no-progress'),
    /** present while a wake-up for transactions that could not be recorded is scheduled */
    heldWakeScheduled: key('held-wake-scheduled'),
    /** present for a minute after the stored unreadable messages were retried */
    unreadableTried: key('unreadable-tried'),
    feed: (stream: string) => key('feed', stream),
    feedEpoch: key('feed', 'epoch'),
    /** position of the relay in the change outbox */
    relay: key('relay'),
    /** hash of transactions at main that were relayed although an older one was still open */
    relayAhead: key('relay', 'ahead'),
    /** set of records and transactions whose changes could not be sent because no replica answered */
    deferred: key('feed', 'deferred'),
    /** lease of the broadcaster, with its fence */
    broadcaster: key('broadcaster'),
    broadcasterFence: key('broadcaster', 'fence'),
    /** hash: positions of the broadcaster */
    broadcasterCheckpoint: key('broadcaster', 'checkpoint'),
    /** present for an hour after the outbox at main has been pruned */
    outboxPruned: key('outbox-pruned'),
    /** present for a minute after maintaining the counters at main, or for ten after a failure */
    countsMaintained: key('counts-maintained'),
    /** messages of one connection in one second */
    messageRate: (id: string, second: number) => key('rate', 'messages', id, String(second)),
    /** reference of the last pending transaction that the sweeper has resent */
    resentAfter: key('resent-after'),
    /** zset of connection ids by expiry (ms) */
    connections: key('connections'),
    connection: (id: string) => key('connection', id),
    /** zset of a connection's messages waiting for their turn, by when they were received (ms); kept some seconds */
    turns: (id: string) => key('connection', 'turns', id),
    /** zset of one user's connection ids by expiry (ms) */
    connectionsOf: (principal: string) => key('connections', 'of', principal),
  };
}

export type Keys = ReturnType<typeof keysOf>;
