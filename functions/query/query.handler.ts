import * as z from 'zod/mini';
import { accessTokenVerifier } from '../../lib/auth/access-token.ts';
import { authenticate, type AuthenticationParts } from '../../lib/auth/authenticate.ts';
import { Unavailable } from '../../lib/errors.ts';
import { parse } from '../../lib/http/parse.ts';
import { problem } from '../../lib/http/problem.ts';
import { serve, type Reply } from '../../lib/http/serve.ts';
import { integerId, recordId } from '../../lib/observation/executed-obs-unit.ts';
import { connectRedis } from '../../lib/redis/client.ts';
import { keysOf } from '../../lib/redis/keys.ts';
import { connectReplicas, readFromReplica } from '../../lib/replication/replicas.ts';
import {
  listOfObsUnit,
  readExecutedObsUnit,
  type SmartQueryParts,
} from '../../lib/smart-query/executed-obs-units.ts';
import { readTransactionStatus } from '../../lib/smart-query/transactions.ts';
import { readTransferOverview } from '../../lib/transfer/overview.ts';
import { health } from './health.ts';
import { settings } from './settings.ts';

const parts: SmartQueryParts & AuthenticationParts = {
  redis: connectRedis({ url: settings.REDIS_URL, token: settings.REDIS_TOKEN, timeoutMilliseconds: 1000 }),
  keys: keysOf(settings.REDIS_PREFIX),
  replicas: connectReplicas(settings.REPLICAS, {
    applicationName: 'query',
    statementTimeoutMilliseconds: 10_000,
  }),
  verifyAccessToken: accessTokenVerifier(settings.JWT_PUBLIC_JWKS, {
    issuer: settings.JWT_ISSUER,
    audience: settings.JWT_AUDIENCE,
  }),
};

/** The executed units of one planned unit that a listing shows. */
const listLimit = 1000;

const isPlannedUnit = (id: string | undefined) => id !== undefined && /^\d+$/.test(id);

export const handler = serve('query', {
  readExecutedObsUnit: async (request) => {
    await authenticate(parts, request);
    const { id } = request.params;
    if (isPlannedUnit(id)) {
      const obsUnitId = parse(integerId, Number(id));
      return ok(await answered(listOfObsUnit(parts, obsUnitId, listLimit)));
    }
    const uuid = parse(recordId, id);
    return found(await answered(readExecutedObsUnit(parts, uuid)), `There is no executed unit ${uuid}.`);
  },

  readTransaction: async (request) => {
    await authenticate(parts, request);
    const id = parse(recordId, request.params.id);
    return found(await answered(readTransactionStatus(parts, id)), `There is no transaction ${id}.`);
  },

  readTransferOverview: async (request) => {
    await authenticate(parts, request);
    return ok(await answered(readFromReplica(parts.replicas, 0n, readTransferOverview)));
  },

  readHealth: () => health(parts),
});

function ok(body: unknown): Reply {
  return { status: 200, body };
}

function found(body: unknown, otherwise: string): Reply {
  if (body === undefined) throw problem.notFound(otherwise);
  return ok(body);
}

/** A read that cannot be whole is refused: the replica alone cannot say that a record has not been finished. */
async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof z.core.$ZodError) throw error;
    const what =
      error instanceof Unavailable
        ? 'No replica that is recent enough answers'
        : 'The buffer does not answer';
    throw problem.unavailable(`${what}. What is recorded is safe: please ask again.`, 2);
  }
}
