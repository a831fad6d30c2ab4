/**
 * The name of every key, once. One observatory's keys share a prefix, so that several may share a Redis.
 * Nothing here expires before its transaction is done, except where it is said.
 */
export function keysOf(prefix: string) {
  const key = (...parts: readonly string[]) => [prefix, ...parts].join(':');
  return {
    /** hash: one accepted transaction, its steps and where it is */
    transaction: (id: string) => key('tx', id),
    /** zset of transaction ids by stamp: accepted, not yet recorded by main */
    pending: key('pending'),
    /** zset of transaction ids by the end of a processor's lease (ms): they are not in pending meanwhile */
    inflight: key('inflight'),
    /** zset of transaction ids by LSN: recorded by main, not yet seen at every replica */
    committed: key('committed'),
    /** zset of transaction ids by stamp: set aside by main, and not yet seen so at every replica */
    setAside: key('set-aside'),
    /** how many transactions main has recorded in ten seconds; two minutes */
    drained: (tenSeconds: number) => key('drained', String(tenSeconds)),
    /** hash of transaction id → what it adds to the aggregate, for readers */
    overlay: (aggregate: string) => key('overlay', aggregate),
    /** hash: what the site knows of an executed unit, for the accept script; kept 14 days after its last change */
    record: (aggregate: string) => key('record', aggregate),
    /** transaction id that an idempotency key stands for; kept 30 days */
    idempotency: (principal: string, digest: string) => key('idem', principal, digest),
    /** zset of aggregates with an overlay, by start time (ms) */
    overlaid: key('overlaid'),
    /** the same as text `<planned unit>:<start>:<aggregate>`, for ranges of one planned unit */
    overlaidByUnit: key('overlaid', 'by-unit'),
    /** set of aggregates with an overlay whose planned unit and start the site does not know */
    overlaidUnknown: key('overlaid', 'unknown'),
    /** hash of API token → principal; key by SHA-256 of the token */
    token: (hash: string) => key('token', hash),
    /** set of hashes of one user's API tokens */
    tokensOf: (principal: string) => key('tokens', 'of', principal),
    /** zset of hashes of one user's API tokens that are being made, by when that is given up (ms) */
    tokensInTheMaking: (principal: string) => key('tokens', 'making', principal),
    /** hash of the API token with this id */
    tokenById: (id: string) => key('token', 'id', id),
    /** since when it seems that nobody is about to tell main of this token's end (ms); an hour */
    unrecordedSince: (id: string) => key('token', 'untold', id),
    /** hash of a person, by user id: role, permissions, whether they may come in at all */
    user: (principal: string) => key('user', principal),
    /** set of user ids */
    users: key('users'),
    /** hash of a session: whose, until when, and its refresh token by SHA-256 */
    session: (sessionId: string) => key('session', sessionId),
    /** a login that has gone to GitHub; ≤ 10 min */
    loginState: (hash: string) => key('login', 'state', hash),
    /** a login that has come back, to be exchanged once; ≤ 60 s */
    loginCode: (hash: string) => key('login', 'code', hash),
    /** zset of the newest audit events by time (ms): those that no replica has yet are among them */
    recentAudit: key('audit', 'recent'),
    /** present for an hour after the use of tokens has been recorded */
    usageRecorded: key('usage-recorded'),
    /** when everybody that a replica knows was loaded first (ms) */
    usersLoadedFirst: key('people', 'loaded', 'first'),
    /** present once everybody and every valid API token has been loaded from a replica: whom Redis then does not know is nobody */
    usersLoaded: key('people', 'loaded'),
    /** present while access tokens of a revoked session could still be valid */
    revokedSession: (sessionId: string) => key('session', 'revoked', sessionId),
    /** principal of a WebSocket ticket; ≤ 30 s */
    ticket: (hash: string) => key('ticket', hash),
    /** requests of one principal in one second; a few seconds */
    rate: (principal: string, window: string) => key('rate', principal, window),
    /** zset of requests that wait, by when they end at the latest (ms) */
    waits: key('waits'),
    /** the same of one principal */
    waitsOf: (principal: string) => key('waits', 'of', principal),
    /** hash of counters: bytes and entries in the buffer, failed, link state, … */
    stats: key('stats'),
    /** the highest LSN ever cleaned: a replica below it must not answer */
    floor: key('floor'),
    /** present while a check of the watermark is on its way */
    checkScheduled: key('check-scheduled'),
    /** present while a processor is about to ask whether main is back */
    wakeScheduled: key('wake-scheduled'),
    /** present while a look at those that wait for their start is on its way */
    startCheckScheduled: key('start-check-scheduled'),
    /** present while main cannot be reached */
    mainDown: key('main-down'),
    /** hash of transaction id → how it failed alone; a day after the last one */
    suspects: key('suspects'),
    /** hash of signature → aggregates that failed alike since the last success; a day after the last one */
    failures: key('failures'),
    /** how many transactions a batch may hold, after a larger one took too long; an hour */
    batchLimit: key('batch-limit'),
    /** present for two minutes after main has answered and something was not recorded all the same */
    noProgress: key('no-progress'),
    /** present while a processor is about to come back to what it could not have recorded */
    heldWakeScheduled: key('held-wake-scheduled'),
    /** present for a minute after the kept unreadable messages were tried again */
    unreadableTried: key('unreadable-tried'),
    feed: (stream: string) => key('feed', stream),
    feedEpoch: key('feed', 'epoch'),
    /** where the relay of the change outbox has got to */
    relay: key('relay'),
    /** hash of transactions at main that it has relayed before the oldest open one has ended */
    relayAhead: key('relay', 'ahead'),
    /** set of records and transactions whose changes nobody could be told of, since no replica answered */
    deferred: key('feed', 'deferred'),
    /** lease of the broadcaster, with its fence */
    broadcaster: key('broadcaster'),
    broadcasterFence: key('broadcaster', 'fence'),
    /** hash: where the broadcaster has got to */
    broadcasterCheckpoint: key('broadcaster', 'checkpoint'),
    /** present for an hour after the outbox at main has been pruned */
    outboxPruned: key('outbox-pruned'),
    /** present for a minute after the counters at main were looked after, for ten after a failure */
    countsMaintained: key('counts-maintained'),
    /** messages of one connection in one second */
    messageRate: (id: string, second: number) => key('rate', 'messages', id, String(second)),
    /** reference of the last pending transaction of which the sweeper has sent a copy */
    resentAfter: key('resent-after'),
    /** zset of connection ids by the end of their life (ms) */
    connections: key('connections'),
    connection: (id: string) => key('connection', id),
    /** zset of a connection's messages that wait for their turn, by when they were received (ms); some seconds */
    turns: (id: string) => key('connection', 'turns', id),
    /** zset of one user's connection ids by the end of their life (ms) */
    connectionsOf: (principal: string) => key('connections', 'of', principal),
  };
}

export type Keys = ReturnType<typeof keysOf>;
