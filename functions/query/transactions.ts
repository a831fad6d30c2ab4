import * as z from 'zod/mini';
import { answer } from '../../lib/http/operation.ts';
import { nextLink, readCursor, writeCursor } from '../../lib/http/page.ts';
import { problem } from '../../lib/http/problem.ts';
import { orUnavailable } from '../../lib/smart-query/or-unavailable.ts';
import { listTransactions as list } from '../../lib/smart-query/set-aside.ts';
import { readTransactionStatus } from '../../lib/smart-query/transactions.ts';
import { unseenHeader } from '../../lib/smart-query/unseen.ts';
import {
  listTransactions as listContract,
  readTransaction as readContract,
} from '../../lib/submission/operations.ts';
import { uuid } from '../../lib/values/uuid.ts';
import type { QueryParts } from './parts.ts';
import { readWaiting } from './waiting.ts';

export const readTransaction = answer(readContract, async (request, parts: QueryParts) => {
  const { id } = request.params;
  const read = () => readTransactionStatus(parts, id);
  const status = await readWaiting(parts, request, request.query, read, ({ state }) => state);
  if (status === undefined) throw problem.notFound(`No transaction has the id ${id}.`);
  return { status: 200, body: status, headers: unseenHeader(status.unseen ? [status.unseen] : []) };
});

const transactionsCursor = z.tuple([z.int(), uuid]);

export const listTransactions = answer(listContract, async (request, parts: QueryParts) => {
  const { state, limit, cursor } = request.query;
  const after = cursor === undefined ? undefined : readCursor(transactionsCursor, cursor);
  const page = await orUnavailable(list(parts, state, limit, after && { stamp: after[0], id: after[1] }));
  const { next } = page;
  return {
    status: 200,
    body: page.transactions,
    headers: next && nextLink(request, writeCursor(next.stamp, next.id)),
  };
});
