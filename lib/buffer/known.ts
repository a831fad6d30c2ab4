import * as z from 'zod/mini';
import type { Keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { identityJson, parseJson } from '../values/json.ts';
import type { Transaction } from '../transaction/transaction.ts';

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

const startRow = z.looseObject({ id: z.string() });

/** What the site knows of the starts of executed units, as rows; without those that it knows nothing of. */
export async function readKnownStarts(
  redis: Redis,
  keys: Keys,
  aggregates: readonly string[],
): Promise<z.infer<typeof startRow>[]> {
  const pipeline = redis.pipeline();
  for (const aggregate of aggregates) pipeline.hget(keys.record(aggregate), 'base');
  const bases = z.array(z.nullable(z.string())).parse(await pipeline.exec());
  return bases.flatMap((base) => (base === null ? [] : startRow.parse(parseJson(base))));
}
