import { randomBytes } from 'node:crypto';
import { accessTokenVerifier } from '../../lib/credentials/access-token.ts';
import { isFunctionInstance } from '../../lib/config/environment.ts';
import { connect } from '../../lib/function/connect.ts';
import { parse } from '../../lib/http/parse.ts';
import { serve, type Reply, type Request } from '../../lib/http/serve.ts';
import { finishBody, recordId, startBody } from '../../lib/observation/executed-obs-unit.ts';
import { draftFinish, draftStart } from '../../lib/observation/record-executed-obs-unit.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { identifyClaimant, identifyWrite, type Identity } from './identify.ts';
import { record } from './record.ts';
import { spec } from './accept.function.ts';
import { VerifiedTokens } from './verified-tokens.ts';

const connected = connect(spec, ({ settings, site, log }) => ({
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
  // The first answers need not wait for connections; if none can be opened now, the first requests will say so.
  const { queue, redis } = connected();
  await Promise.allSettled([queue.warmUp(), redis.ping()]);
}

async function startExecutedObsUnit(request: Request): Promise<Reply> {
  const parts = connected();
  const claimant = await identifyClaimant(request, parts.verify);
  const body = parse(startBody, request.body);
  const identity = identifyWrite(request, claimant.principalId, body.id, randomBytes(20));
  const id = body.id ?? identity.newRecordId;
  const head = heading(request, claimant.principalId, identity);
  return record(parts, request, claimant, identity, (now) => draftStart(body, id, head, now));
}

async function finishExecutedObsUnit(request: Request): Promise<Reply> {
  const parts = connected();
  const claimant = await identifyClaimant(request, parts.verify);
  const id = parse(recordId, request.params.id, 'id');
  const body = parse(finishBody, request.body ?? {});
  const identity = identifyWrite(request, claimant.principalId, undefined, randomBytes(20));
  const head = heading(request, claimant.principalId, identity);
  return record(parts, request, claimant, identity, (now) => draftFinish(body, id, head, now));
}

function heading(request: Request, principal: string, { id, alias }: Identity) {
  return {
    id,
    ...(alias !== undefined && { alias }),
    stamp: request.receivedAt * 1000,
    principal,
    operation: request.route.operation,
  };
}

export const handler = serve('accept', { startExecutedObsUnit, finishExecutedObsUnit });
