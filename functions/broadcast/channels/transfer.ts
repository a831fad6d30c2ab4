import { noFloor, readFromReplica } from '../../../lib/replication/replicas.ts';
import { readTransferOverview } from '../../../lib/transfer/overview.ts';
import type { StateReader } from './reader.ts';

export const transfer: StateReader = {
  concerns: (tails) => tails.transfer.entries.length > 0,
  read: ({ replicas }) => readFromReplica(replicas, noFloor, readTransferOverview),
};
