/** What the simulator takes from the release that it simulates, by name. */
import type * as z from 'zod/mini';
import { listed } from '../../lib/api/operations.ts';
import type { WriteOperation } from './plan/bodies.ts';

export { migrate } from '../../lib/postgres/migrate.ts';
export { mintApiToken } from '../../lib/credentials/api-token.ts';
export { RedisError, RedisUnreachable } from '../../lib/redis/failure.ts';
export { submit } from '../../lib/submission/submit.ts';
export { tables } from '../../lib/table/tables.ts';
export { keysOf } from '../../lib/redis/keys.ts';

/** The operations that record something through the buffer, by their contracts. */
export function writeOperations({ toJSONSchema }: typeof z): WriteOperation[] {
  return listed.flatMap(({ operation, method, path, function: served, records, body }) => {
    if (!records || served !== 'accept') return [];
    const schema = body ? toJSONSchema(body, { io: 'output', unrepresentable: 'any' }) : {};
    return [{ name: operation, method, path, body: schema }];
  });
}
