/** Buffers, enqueues and answers starts and finishes of observations. */
import { serve } from '../../lib/api/serve.ts';
import { isFunctionInstance } from '../../lib/config/environment.ts';
import { accessTokenVerifier } from '../../lib/credentials/access-token.ts';
import { connect } from '../../lib/function/connect.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { spec } from './accept.function.ts';
import { finishExecutedObsUnit, startExecutedObsUnit } from './executed-obs-units.ts';
import { identifyClaimant } from './identify.ts';
import { VerifiedTokens } from './verified-tokens.ts';

const parts = connect(spec, ({ settings, site, log }) => ({
  ...site,
  verify: accessTokenVerifier(settings.JWT_PUBLIC_JWKS, {
    issuer: settings.JWT_ISSUER,
    audience: settings.JWT_AUDIENCE,
  }),
  queue: new Queue({ url: settings.TRANSACTIONS_QUEUE_URL, timeoutMilliseconds: 1500, maxAttempts: 1 }),
  verifiedTokens: new VerifiedTokens(),
  log,
  answerBudgetMilliseconds: settings.ANSWER_BUDGET_MS,
  limits: {
    requestsPerSecond: settings.RATE_LIMIT_PER_SECOND,
    budgetBytes: settings.BUFFER_BUDGET_BYTES,
  },
  now: Date.now,
}));

if (isFunctionInstance) {
  // open connections before the first request; if that fails, the first requests report it
  const { queue, redis } = parts();
  await Promise.allSettled([queue.warmUp(), redis.ping()]);
}

export const handler = serve('accept', {
  parts,
  identify: async (request, { verify }) => ({ claimant: await identifyClaimant(request, verify) }),
  steps: { startExecutedObsUnit, finishExecutedObsUnit },
});
