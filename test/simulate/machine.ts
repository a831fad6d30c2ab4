/** The servers of one process, and what the release that is simulated can do. */
import * as z from 'zod/mini';
import { installClock } from './engine/clock.ts';
import { loadFunctions, type Functions } from './functions.ts';
import type { Column, RowTable } from './plan/bodies.ts';
import type { Vocabulary } from './plan/draw.ts';
import { tables, writeOperations } from './product.ts';
import { PostgresServer } from './stores/postgres-server.ts';
import { RedisServer } from './stores/redis-server.ts';
import { openConnections, type Connections } from './world/databases.ts';

export interface Machine {
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  readonly connections: Connections;
  readonly functions: Functions;
  readonly vocabulary: Vocabulary;
  readonly vacuum: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export async function startMachine(): Promise<Machine> {
  const [redis, postgres] = await Promise.all([RedisServer.start(), PostgresServer.start()]);
  const connections = await openConnections(postgres);
  const vocabulary = { writes: writeOperations(z), tables: await readTables(connections) };
  installClock();
  const functions = await loadFunctions();
  const stop = async () => {
    await Promise.all([connections.main, ...connections.snapshots].map((client) => client.end()));
    await Promise.all([redis.stop(), postgres.stop()]);
  };
  const vacuum = async () => void (await connections.main.query('vacuum'));
  return { redis, postgres, connections, functions, vocabulary, vacuum, stop };
}

/** The columns of each buffered table that clients write, as main has them. */
async function readTables({ main }: Connections): Promise<RowTable[]> {
  const { rows } = await main.query<{ table: string; name: string; type: string; required: boolean }>(`
    select table_name as table, column_name as name, data_type as type,
      is_nullable = 'NO' and column_default is null as required
    from information_schema.columns
    where table_schema = 'public' and is_generated = 'NEVER'
      and column_name not in ('id', 'field_stamps', 'created_at', 'updated_at')
    order by table_name, ordinal_position`);
  return Object.entries(tables).flatMap(([name, rules]) => {
    if (rules.feed === undefined) return [];
    const columns: Column[] = rows
      .filter(
        (row) => row.table === name && row.name !== rules.parent && !(row.name in (rules.references ?? {})),
      )
      // foreign keys to tables that no history writes
      .filter((row) => !row.name.endsWith('_id'))
      .map((row) => ({ name: row.name, type: row.type, isRequired: row.required }));
    const states = Object.fromEntries(
      Object.entries(rules.transitions ?? {}).map(([column, following]) => [column, Object.keys(following)]),
    );
    return [{ name, columns, parent: rules.parent, states }];
  });
}
