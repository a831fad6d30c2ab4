import * as z from 'zod/mini';
import { authenticate, type AuthenticationParts } from '../../lib/auth/authenticate.ts';
import { connectAuthentication } from '../../lib/auth/connect-authentication.ts';
import { parse } from '../../lib/http/parse.ts';
import { boundedInteger, nextLink, readCursor, writeCursor } from '../../lib/http/page.ts';
import { problem } from '../../lib/http/problem.ts';
import { serve, type Reply } from '../../lib/http/serve.ts';
import { filterOf, listQuery } from '../../lib/observation/filter.ts';
import { integerId, recordId, timestamp } from '../../lib/observation/executed-obs-unit.ts';
import { Queue } from '../../lib/queue/queue.ts';
import { connectReplicas, readFromReplica } from '../../lib/replication/replicas.ts';
import {
  listOfObsUnit,
  readExecutedObsUnit,
  type SmartQueryParts,
} from '../../lib/smart-query/executed-obs-units.ts';
import { answered } from '../../lib/smart-query/answered.ts';
import { listExecutedObsUnits } from '../../lib/smart-query/list-executed-obs-units.ts';
import { listTransactions, listedStates } from '../../lib/smart-query/set-aside.ts';
import { readTransactionStatus } from '../../lib/smart-query/transactions.ts';
import { readTransferOverview } from '../../lib/transfer/overview.ts';
import { buffer } from './buffer.ts';
import { health } from './health.ts';
import { settings } from './settings.ts';

const parts: SmartQueryParts & AuthenticationParts = {
  ...connectAuthentication(settings, 1000),
  replicas: connectReplicas(settings.REPLICAS, {
    applicationName: 'query',
    statementTimeoutMilliseconds: 10_000,
  }),
};

/** Only asked whether it is there. */
const queue = new Queue({ url: settings.TRANSACTIONS_QUEUE_URL, timeoutMilliseconds: 1000, maxAttempts: 1 });

/** The executed units of one planned unit that a listing shows. */
const listLimit = 1000;

const transactionsQuery = z.strictObject({
  state: z.enum(listedStates),
  limit: z._default(boundedInteger(1, 1000), 100),
  cursor: z.optional(z.string()),
});
const unitsCursor = z.tuple([timestamp, z.uuid()]);
const transactionsCursor = z.tuple([z.int(), z.uuid()]);

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

  listExecutedObsUnits: async (request) => {
    await authenticate(parts, request);
    const query = parse(listQuery, request.query);
    const after = query.cursor === undefined ? undefined : readCursor(unitsCursor, query.cursor);
    const { records, next } = await answered(
      listExecutedObsUnits(parts, filterOf(query), query.limit, after && { start: after[0], id: after[1] }),
    );
    return { ...ok(records), ...(next && { headers: nextLink(request, writeCursor(next.start, next.id)) }) };
  },

  readTransaction: async (request) => {
    await authenticate(parts, request);
    const id = parse(recordId, request.params.id);
    return found(await answered(readTransactionStatus(parts, id)), `There is no transaction ${id}.`);
  },

  listTransactions: async (request) => {
    await authenticate(parts, request);
    const { state, limit, cursor } = parse(transactionsQuery, request.query);
    const after = cursor === undefined ? undefined : readCursor(transactionsCursor, cursor);
    const page = await answered(
      listTransactions(parts, state, limit, after && { stamp: after[0], id: after[1] }),
    );
    const { next } = page;
    return {
      ...ok(page.transactions),
      ...(next && { headers: nextLink(request, writeCursor(next.stamp, next.id)) }),
    };
  },

  readBuffer: async (request) => {
    await authenticate(parts, request);
    return answered(buffer(parts, request.receivedAt));
  },

  readTransferOverview: async (request) => {
    await authenticate(parts, request);
    return ok(await answered(readFromReplica(parts.replicas, 0n, readTransferOverview)));
  },

  readHealth: (request) => health(parts, queue, request.receivedAt),
});

function ok(body: unknown): Reply {
  return { status: 200, body };
}

function found(body: unknown, otherwise: string): Reply {
  if (body === undefined) throw problem.notFound(otherwise);
  return ok(body);
}
