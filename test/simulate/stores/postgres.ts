/** Stands for lib/postgres/connect.ts: main and the replicas of the history that runs. */
import { world } from '../world/world.ts';
import type { Query } from '../world/databases.ts';

export function connectPostgres({ url }: { readonly url: string }) {
  const connect = async () => world().databases.connect(url);
  return {
    connect,
    query: async (query: Query | string, values?: readonly unknown[]) => {
      const client = await connect();
      return client.query(query, values);
    },
    on: () => undefined,
    end: async () => undefined,
  };
}
