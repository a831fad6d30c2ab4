import * as z from 'zod/mini';
import { auditActions, mergeEvents, readEvents, readRecentEvents } from '../../lib/audit/audit-event.ts';
import { authenticate, authenticateAgain } from '../../lib/credentials/authenticate.ts';
import { connectAuthentication } from '../../lib/credentials/connect-authentication.ts';
import type { Principal } from '../../lib/people/principal.ts';
import { connect } from '../../lib/function/connect.ts';
import { conditional } from '../../lib/http/conditional.ts';
import { parse } from '../../lib/http/parse.ts';
import { nextLink, readCursor, writeCursor } from '../../lib/http/page.ts';
import { problem } from '../../lib/http/problem.ts';
import { serve, type Reply, type Request } from '../../lib/http/serve.ts';
import { filterOf, listQuery, type UnitFilter } from '../../lib/observation/filter.ts';
import { recordId, timestamp } from '../../lib/observation/executed-obs-unit.ts';
import { connectReplicas, noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import { readExecutedObsUnit } from '../../lib/smart-query/executed-obs-units.ts';
import { answered } from '../../lib/smart-query/answered.ts';
import { listExecutedObsUnits } from '../../lib/smart-query/list-executed-obs-units.ts';
import { listTransactions, listedStates } from '../../lib/smart-query/set-aside.ts';
import { included, type Included } from '../../lib/observation/operations.ts';
import { unseenHeader } from '../../lib/smart-query/unseen.ts';
import { readTransactionStatus } from '../../lib/smart-query/transactions.ts';
import { readWhen, waitQuery, type Wait } from '../../lib/smart-query/wait.ts';
import { enterWait } from '../../lib/smart-query/waiting.ts';
import { readBufferReport } from '../../lib/smart-query/buffer-report.ts';
import { readTransferOverview } from '../../lib/transfer/overview.ts';
import { databaseInstant } from '../../lib/values/database-instant.ts';
import { largestInteger, wholeNumberText } from '../../lib/values/integer.ts';
import { spec } from './query.function.ts';

const parts = connect(spec, ({ settings, site }) => ({
  ...connectAuthentication(settings, site),
  replicas: connectReplicas(settings.REPLICAS, {
    applicationName: spec.name,
    statementTimeoutMilliseconds: 10_000,
  }),
}));

/** The executed units of one planned unit that a listing shows. */
const listLimit = 1000;
/** A right that was taken ends within five seconds. */
const longMilliseconds = 3000;
/** Related records make long answers. */
const listLimitWithRelated = 100;

const includeQuery = z.optional(
  z.pipe(
    z.pipe(
      z.string(),
      z.transform((text) => text.split(',')),
    ),
    z.array(z.enum(included)),
  ),
);
const unitQuery = z.strictObject({ ...waitQuery, include: includeQuery });
const unitsOfPlannedQuery = z.strictObject({
  include: includeQuery,
  limit: z.optional(wholeNumberText(1, 1000)),
  cursor: z.optional(z.string()),
});
const unitsQuery = z.extend(listQuery, { include: includeQuery });
const transactionQuery = z.strictObject(waitQuery);

const transactionsQuery = z.strictObject({
  state: z.enum(listedStates),
  limit: z._default(wholeNumberText(1, 1000), 100),
  cursor: z.optional(z.string()),
});
const auditQuery = z.strictObject({
  principal: z.optional(z.string()),
  action: z.optional(z.enum(auditActions)),
  subject: z.optional(z.string()),
  limit: z._default(wholeNumberText(1, 1000), 100),
  cursor: z.optional(z.string()),
});
const auditCursor = z.tuple([timestamp, recordId]);
/** A start as any row may have it. */
const cursorStart = z.pipe(
  z.string().check(z.refine((text) => databaseInstant(text) !== undefined)),
  z.transform((text) => databaseInstant(text) ?? text),
);
const unitsCursor = z.tuple([cursorStart, recordId]);
const transactionsCursor = z.tuple([z.int(), recordId]);

const plannedUnitId = wholeNumberText(1, largestInteger);
const isPlannedUnit = (id: string | undefined) => id !== undefined && /^\d+$/.test(id);

export const handler = serve('query', {
  readExecutedObsUnit: async (request) => {
    const principal = await authenticate(parts(), request);
    const { id } = request.params;
    if (isPlannedUnit(id)) {
      const obsUnitId = parse(plannedUnitId, id, 'id');
      const query = parse(unitsOfPlannedQuery, request.query);
      const limit = query.limit ?? (query.include ? listLimitWithRelated : listLimit);
      return listUnits(request, { obsUnitId }, { ...query, limit });
    }
    const uuid = parse(recordId, id, 'id');
    const { include, ...wait } = parse(unitQuery, request.query);
    const record = await answered(
      readWhen(
        () => readExecutedObsUnit(parts(), uuid, include),
        ({ sync }) => sync.state,
        wait,
        placeOf(request, principal, wait),
      ),
    );
    await stillMay(request);
    const body = found(record, `There is no executed unit ${uuid}.`);
    return shown(request, body, unseenHeader(body.sync.unseen ? [body.sync.unseen] : []));
  },

  listExecutedObsUnits: async (request) => {
    await authenticate(parts(), request);
    const query = parse(unitsQuery, request.query);
    return listUnits(request, filterOf(query), query);
  },

  readTransaction: async (request) => {
    const principal = await authenticate(parts(), request);
    const id = parse(recordId, request.params.id, 'id');
    const wait = parse(transactionQuery, request.query);
    const status = await answered(
      readWhen(
        () => readTransactionStatus(parts(), id),
        ({ state }) => state,
        wait,
        placeOf(request, principal, wait),
      ),
    );
    await stillMay(request);
    const body = found(status, `There is no transaction ${id}.`);
    return shown(request, body, unseenHeader(body.unseen ? [body.unseen] : []));
  },

  listTransactions: async (request) => {
    await authenticate(parts(), request);
    const { state, limit, cursor } = parse(transactionsQuery, request.query);
    const after = cursor === undefined ? undefined : readCursor(transactionsCursor, cursor);
    const page = await answered(
      listTransactions(parts(), state, limit, after && { stamp: after[0], id: after[1] }),
    );
    const { next } = page;
    return {
      ...ok(page.transactions),
      ...(next && { headers: nextLink(request, writeCursor(next.stamp, next.id)) }),
    };
  },

  readBuffer: async (request) => {
    await authenticate(parts(), request);
    return ok(await answered(readBufferReport(parts(), request.receivedAt)));
  },

  readTransferOverview: async (request) => {
    await authenticate(parts(), request);
    const overview = await answered(readFromReplica(parts().replicas, noFloor, readTransferOverview));
    return conditional(request, ok(overview));
  },

  readAudit: async (request) => {
    await authenticate(parts(), request);
    const { limit, cursor, ...filter } = parse(auditQuery, request.query);
    const at = cursor === undefined ? undefined : readCursor(auditCursor, cursor);
    const page = { limit: limit + 1, after: at && { at: at[0], id: at[1] }, filter };
    const [recent, replicated] = await answered(
      Promise.all([
        readRecentEvents(parts(), page),
        readFromReplica(parts().replicas, noFloor, (replica) => readEvents(replica, page)),
      ]),
    );
    const { events, next } = mergeEvents(recent, replicated, limit);
    return { ...ok(events), ...(next && { headers: nextLink(request, writeCursor(next.at, next.id)) }) };
  },
});

interface PageQuery {
  readonly limit: number;
  readonly include?: readonly Included[] | undefined;
  readonly cursor?: string | undefined;
}

/** One page. @throws ProblemError 400, 503 */
async function listUnits(
  request: Request,
  filter: UnitFilter,
  { limit, include, cursor }: PageQuery,
): Promise<Reply> {
  if (include && limit > listLimitWithRelated) {
    throw problem.badRequest(`limit: with include at most ${listLimitWithRelated}.`);
  }
  const after = cursor === undefined ? undefined : readCursor(unitsCursor, cursor);
  const { records, next, unseen } = await answered(
    listExecutedObsUnits(parts(), {
      filter,
      limit,
      ...(include && { include }),
      ...(after && { after: { start: after[0], id: after[1] } }),
    }),
  );
  const link = next && nextLink(request, writeCursor(next.start, next.id));
  return shown(request, records, { ...unseenHeader(unseen), ...link });
}

/** How this request takes its place among those that wait. */
function placeOf({ requestId: id }: Request, principal: Principal, { timeout }: Wait) {
  const wait = { id, principal: principal.id, milliseconds: timeout * 1000 };
  return () => enterWait(parts(), wait, Date.now());
}

/** Who has waited for an answer may have lost the right to it. @throws ProblemError */
async function stillMay(request: Request): Promise<void> {
  const now = Date.now();
  if (now - request.receivedAt > longMilliseconds) await authenticateAgain(parts(), request, now);
}

function ok(body: unknown): Reply {
  return { status: 200, body };
}

/** With a tag to ask again by. */
function shown(request: Request, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return conditional(request, { status: 200, body, headers });
}

function found<T>(body: T | undefined, otherwise: string): T {
  if (body === undefined) throw problem.notFound(otherwise);
  return body;
}
