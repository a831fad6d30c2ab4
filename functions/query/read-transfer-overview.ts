import { answer } from '../../lib/http/operation.ts';
import { noFloor, readFromReplica } from '../../lib/replication/replicas.ts';
import { orUnavailable } from '../../lib/smart-query/or-unavailable.ts';
import { readTransferOverview as contract } from '../../lib/transfer/operations.ts';
import { readTransferOverview as read } from '../../lib/transfer/overview.ts';
import type { QueryParts } from './parts.ts';

export const readTransferOverview = answer(contract, async (_request, { replicas }: QueryParts) => ({
  status: 200,
  body: await orUnavailable(readFromReplica(replicas, noFloor, read)),
}));
