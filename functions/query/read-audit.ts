import * as z from 'zod/mini';
import { mergeEvents, readEvents, readRecentEvents } from '../../lib/audit/audit-event.ts';
import { readAudit as contract } from '../../lib/audit/operations.ts';
import { answer } from '../../lib/http/operation.ts';
import { nextLink, readCursor, writeCursor } from '../../lib/http/page.ts';
import { recordId, timestamp } from '../../lib/observation/executed-obs-unit.ts';
import { noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import { orUnavailable } from '../../lib/smart-query/or-unavailable.ts';
import type { QueryParts } from './parts.ts';

const auditCursor = z.tuple([timestamp, recordId]);

export const readAudit = answer(contract, async (request, parts: QueryParts) => {
  const { limit, cursor, ...filter } = request.query;
  const at = cursor === undefined ? undefined : readCursor(auditCursor, cursor);
  const page = { limit: limit + 1, after: at && { at: at[0], id: at[1] }, filter };
  const [recent, replicated] = await orUnavailable(
    Promise.all([
      readRecentEvents(parts, page),
      readFromReplica(parts.replicas, noFloor, (replica) => readEvents(replica, page)),
    ]),
  );
  const { events, next } = mergeEvents(recent, replicated, limit);
  return { status: 200, body: events, headers: next && nextLink(request, writeCursor(next.at, next.id)) };
});
