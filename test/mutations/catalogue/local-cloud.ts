import type { Mutation } from '../mutation.ts';

const rules = { test: 'integration/lambda-rules.test.ts' };
const limitsTest = { test: 'unit/limits.test.ts' };
const outage = { test: 'unit/outage.test.ts' };
const chains = { test: 'faults/chains.test.ts' };

/** Rules of AWS that the local stack enforces, and what the product does about them. */
export const localCloudMutations: readonly Mutation[] = [
  {
    ...rules,
    id: 'lambda-queues-instead-of-throttling',
    file: 'infra/local/lambda.ts',
    replace: 'if (this.#running >= rules.concurrency)',
    by: 'if (this.#running < 0)',
    named: 'is throttled, not queued',
  },
  {
    ...rules,
    id: 'lambda-instance-runs-on-after-its-answer',
    file: 'infra/local/lambda-instance.ts',
    replace: "if (this.#frozenAt === undefined && this.child.kill('SIGSTOP')) this.#frozenAt",
    by: 'if (this.#frozenAt === undefined) this.#frozenAt',
    named: 'is frozen between two invocations',
  },
  {
    ...rules,
    id: 'frozen-connections-are-kept',
    file: 'infra/local/lambda.process.ts',
    replace: 'if (fate) loseConnections(fate);',
    by: '',
    named: 'after the time of the network',
  },
  {
    ...rules,
    id: 'lineage-is-not-passed-to-the-function',
    file: 'infra/local/lambda.process.ts',
    replace: 'process.env._X_AMZN_TRACE_ID = trace;',
    by: '',
    named: 'ends after 16',
  },
  {
    ...rules,
    id: 'messages-of-a-loop-are-delivered',
    file: 'infra/local/event-source.ts',
    replace: 'if (loops.length === 0) return messages;',
    by: 'if (loops.length >= 0) return messages;',
    named: 'its message is a dead letter',
  },
  {
    ...rules,
    id: 'event-source-drops-a-throttled-batch',
    file: 'infra/local/event-source.ts',
    replace: 'if (pause === undefined || this.#stopping.aborted) return undefined;',
    by: 'return undefined;',
    named: 'keeps a batch that is throttled',
  },
  {
    ...limitsTest,
    id: 'asynchronous-event-is-retried-forever',
    file: 'infra/local/limits/asynchronous.ts',
    replace: 'tried.ageSeconds + pause > rules.maxAgeSeconds ? undefined : pause',
    by: 'pause',
    named: 'until it is too old',
  },
  {
    ...limitsTest,
    id: 'connection-lives-beyond-two-hours',
    file: 'infra/local/limits/socket-life.ts',
    replace: 'now - connectedAt > limits.webSocketLifeSeconds.value * 1000',
    by: 'false',
    named: 'after two hours',
  },
  {
    id: 'recursion-is-not-allowed-where-functions-wake-themselves',
    file: 'infra/aws/functions.ts',
    replace: '...(recursive.has(name) && { recursiveLoop: RecursiveLoop.ALLOW }),',
    by: '',
    test: 'infra/topology.test.ts',
    named: 'recurse',
  },
  {
    ...outage,
    id: 'copies-come-back-each-minute-for-as-long-as-the-outage-lasts',
    file: 'functions/process/retry.ts',
    replace: 'receiveCount > 1 ? sleepAfterwardsSeconds * (1 + random) : firstSleepSeconds',
    by: 'firstSleepSeconds',
    named: '10 to 20 min later',
  },
  {
    ...outage,
    id: 'copies-come-back-twice-a-minute',
    file: 'functions/process/retry.ts',
    replace: 'const firstSleepSeconds = 60;',
    by: 'const firstSleepSeconds = 10;',
    named: 'a tenth of the copies',
  },
  {
    ...chains,
    id: 'copies-do-not-sleep-through-an-outage',
    file: 'functions/process/apply.handler.ts',
    replace: "const sleeps = outcome === 'left' && !drained.mainAnswered && drained.isHeld;",
    by: 'const sleeps = false;',
    named: 'sleep through an outage',
  },
  {
    id: 'copies-sleep-though-redis-does-not-hold-them',
    file: 'functions/process/drain.ts',
    replace: "this.#isHeld = false;\n      log.warn('claiming transactions from redis failed'",
    by: "log.warn('claiming transactions from redis failed'",
    test: 'integration/drain.test.ts',
    named: 'publishes the change when the copy is redelivered',
  },
  {
    id: 'queue-uses-a-connection-that-died',
    file: 'lib/queue/fresh-connections.ts',
    replace: 'if (performance.now() - this.#answeredAt >= this.#suspectAfter) this.#closeIdle();',
    by: '',
    test: 'integration/lost-connections.test.ts',
    named: 'first sends',
  },
];
