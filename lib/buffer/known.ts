import * as z from 'zod/mini';
import { isJsonObject, parseJson, type Json, type JsonObject } from '../values/json.ts';
import type { Site } from '../redis/site.ts';

const knownRow = z.looseObject({ id: z.string(), metadata: z.optional(z.custom<Json>()) });
const knownFinish = z.looseObject({
  transaction_id: z.optional(z.string()),
  metadata: z.optional(z.custom<Json>()),
});
const answers = z.array(z.tuple([z.nullable(z.string()), z.nullable(z.string())]));

/**
 * Rows of partly buffered executed units as the site remembers them. Units that it does not remember are left out, and so are
 * changes that are still in the overlay.
 * @param buffered ids of the transactions in the overlay
 */
export async function readKnownRows(
  { redis, keys }: Site,
  aggregates: readonly string[],
  buffered: ReadonlySet<string>,
): Promise<z.infer<typeof knownRow>[]> {
  if (aggregates.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const aggregate of aggregates) pipeline.hmget(keys.record(aggregate), 'base', 'finish');
  return answers.parse(await pipeline.exec()).flatMap(([base, finishText]) => {
    if (base === null) return [];
    const row = knownRow.parse(parseJson(base));
    if (finishText === null) return [row];
    const { transaction_id, ...finish } = knownFinish.parse(parseJson(finishText));
    if (transaction_id !== undefined && buffered.has(transaction_id)) return [row];
    const metadata = { ...objectOf(row.metadata), ...objectOf(finish.metadata) };
    return [{ ...row, ...finish, metadata }];
  });
}

function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
