import * as z from 'zod/mini';
import { identityJson, isJsonObject, parseJson, type Json, type JsonObject } from '../values/json.ts';
import type { Transaction } from '../transaction/transaction.ts';
import type { Site } from '../redis/site.ts';

/** What a transaction tells about its executed unit, for the accept script to judge later writes by. */
export interface Known {
  readonly start?: {
    readonly obs_unit_id: number;
    readonly start_ms: number;
    readonly base: string;
    /** what an answer says of it */
    readonly patch: string;
  };
  readonly finish?: {
    readonly status: string;
    readonly end_time: string;
    /** canonical JSON; '' = none given */
    readonly given_metadata: string;
    /** what an answer lays over the record */
    readonly patch: string;
  };
}

export function knownOf({
  id,
  aggregate,
  stamp,
  steps,
}: Pick<Transaction, 'id' | 'aggregate' | 'stamp' | 'steps'>): Known {
  for (const step of steps) {
    if (step.kind === 'create' && step.table === 'executed_obs_unit') {
      const { obs_unit_id, start_time } = step.values;
      const startMilliseconds = Date.parse(text(start_time));
      if (!Number.isSafeInteger(obs_unit_id)) return {};
      return {
        start: {
          obs_unit_id: Number(obs_unit_id),
          // main fills in the accept time of a copy that has none; the index needs no better for one that cannot be read
          start_ms: Number.isNaN(startMilliseconds) ? Math.floor(stamp / 1000) : startMilliseconds,
          base: JSON.stringify({ id: aggregate, ...step.values }),
          patch: JSON.stringify({ id: aggregate, ...step.values, transaction_id: id }),
        },
      };
    }
    if (step.kind === 'update' && step.table === 'executed_obs_unit' && step.only_if) {
      const { status, end_time, metadata } = step.values;
      return {
        finish: {
          status: text(status),
          end_time: text(end_time),
          given_metadata: metadata === undefined ? '' : identityJson(metadata),
          patch: JSON.stringify({ id: aggregate, ...step.values, transaction_id: id }),
        },
      };
    }
  }
  return {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

const knownRow = z.looseObject({ id: z.string(), metadata: z.optional(z.custom<Json>()) });
const knownFinish = z.looseObject({
  transaction_id: z.optional(z.string()),
  metadata: z.optional(z.custom<Json>()),
});
const answers = z.array(z.tuple([z.nullable(z.string()), z.nullable(z.string())]));

/**
 * What the site knows of executed units that are buffered in part, as rows; without those of which it knows nothing. What of
 * them is in the overlay still is left out.
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
