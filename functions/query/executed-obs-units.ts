import * as z from 'zod/mini';
import { answer, type Asked } from '../../lib/http/operation.ts';
import { nextLink, readCursor, writeCursor } from '../../lib/http/page.ts';
import { problem } from '../../lib/http/problem.ts';
import type { Request } from '../../lib/http/request.ts';
import { recordId } from '../../lib/observation/executed-obs-unit.ts';
import { filterOf, maxPageSize, type UnitFilter } from '../../lib/observation/filter.ts';
import {
  listExecutedObsUnits as listContract,
  readExecutedObsUnit as readContract,
  type Included,
} from '../../lib/observation/operations.ts';
import { orUnavailable } from '../../lib/smart-query/or-unavailable.ts';
import { readExecutedObsUnit as read } from '../../lib/smart-query/executed-obs-units.ts';
import { listExecutedObsUnits as list } from '../../lib/smart-query/list-executed-obs-units.ts';
import { unseenHeader } from '../../lib/smart-query/unseen.ts';
import { databaseInstant } from '../../lib/values/database-instant.ts';
import type { QueryParts } from './parts.ts';
import { readWaiting } from './waiting.ts';

/** Default limit for the executed units of one planned unit. */
const listLimit = maxPageSize;
/** Lower, because included records make long answers. */
const listLimitWithRelated = 100;

export const readExecutedObsUnit = answer(readContract, async (request, parts: QueryParts) => {
  const { params, query } = request;
  if ('obsUnitId' in params.id) {
    requireAbsent(query, 'wait', 'timeout');
    const limit = query.limit ?? (query.include ? listLimitWithRelated : listLimit);
    return listUnits(parts, request, params.id, { ...query, limit });
  }
  requireAbsent(query, 'limit', 'cursor');
  const { id } = params.id;
  const record = await readWaiting(
    parts,
    request,
    query,
    () => read(parts, id, query.include),
    ({ sync }) => sync.state,
  );
  if (record === undefined) throw problem.notFound(`No executed unit has the id ${id}.`);
  const { unseen } = record.sync;
  return { status: 200, body: record, headers: unseenHeader(unseen ? [unseen] : []) };
});

export const listExecutedObsUnits = answer(listContract, async (request, parts: QueryParts) =>
  listUnits(parts, request, filterOf(request.query), request.query),
);

type UnitQuery = Asked<typeof readContract>['query'];

/** A single unit and the list of a planned unit take different parameters. @throws ProblemError 400 */
function requireAbsent(query: UnitQuery, ...names: (keyof UnitQuery)[]): void {
  const errors = names
    .filter((name) => query[name] !== undefined)
    .map((path) => ({ path, message: 'is not allowed here' }));
  if (errors.length === 0) return;
  const texts = errors.map(({ path, message }) => `${path}: ${message}`);
  throw problem.badRequest(`${texts.join('; ')}.`, { errors, error_count: errors.length });
}

/** A start as it may occur in any row. */
const cursorStart = z.pipe(
  z.string().check(z.refine((text) => databaseInstant(text) !== undefined)),
  z.transform((text) => databaseInstant(text) ?? text),
);
const unitsCursor = z.tuple([cursorStart, recordId]);

interface PageQuery {
  readonly limit: number;
  readonly include?: readonly Included[] | undefined;
  readonly cursor?: string | undefined;
}

/** One page. @throws ProblemError 400, 503 */
async function listUnits(
  parts: QueryParts,
  request: Request,
  filter: UnitFilter,
  { limit, include, cursor }: PageQuery,
) {
  if (include && limit > listLimitWithRelated) {
    throw problem.badRequest(`limit: at most ${listLimitWithRelated} with include.`);
  }
  const after = cursor === undefined ? undefined : readCursor(unitsCursor, cursor);
  const { records, next, unseen } = await orUnavailable(
    list(parts, {
      filter,
      limit,
      ...(include && { include }),
      ...(after && { after: { start: after[0], id: after[1] } }),
    }),
  );
  const link = next && nextLink(request, writeCursor(next.start, next.id));
  return { status: 200 as const, body: records, headers: { ...unseenHeader(unseen), ...link } };
}
