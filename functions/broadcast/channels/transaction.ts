import type { ChannelOf } from '../../../lib/channels/channels.ts';
import { stateMessage } from '../../../lib/channels/protocol.ts';
import { ReplicaUnavailable } from '../../../lib/replication/errors.ts';
import type { SmartQueryParts } from '../../../lib/smart-query/snapshot.ts';
import { readTransactionStatus } from '../../../lib/smart-query/transactions.ts';
import { deferredTransaction } from '../deferred.ts';
import type { EventReader } from './reader.ts';

type TransactionChannel = ChannelOf<'transaction'>;

export const transaction: EventReader<TransactionChannel> = {
  concernsAll: () => false,

  read: async (parts, entries, channels) => {
    const named = new Set(entries.flatMap((entry) => entry.transaction ?? []));
    const ids = channels.map(({ value }) => value).filter((id) => named.has(id));
    const statuses = await readStatuses(parts, ids);
    return {
      of: ({ change, transaction: id }, { value }) => {
        const json = id === value ? statuses.get(value) : undefined;
        return json === undefined ? undefined : { json, about: { change } };
      },
      deferred: [...statuses].flatMap(([id, json]) => (json === undefined ? [deferredTransaction(id)] : [])),
    };
  },

  snapshot: async (parts, { value: id }) => {
    const status = await readTransactionStatus(parts, id);
    const json = JSON.stringify(status ?? null);
    return {
      texts: (heading, more) => [stateMessage('snapshot', heading, json, more)],
      isUnseen: status?.unseen !== undefined,
    };
  },
};

/** Transaction id → status as JSON, or undefined if it cannot be read now. */
async function readStatuses(
  parts: SmartQueryParts,
  ids: readonly string[],
): Promise<Map<string, string | undefined>> {
  const statuses = new Map<string, string | undefined>();
  for (const id of ids) {
    try {
      statuses.set(id, JSON.stringify((await readTransactionStatus(parts, id)) ?? null));
    } catch (error) {
      if (!(error instanceof ReplicaUnavailable)) throw error;
      statuses.set(id, undefined);
    }
  }
  return statuses;
}
