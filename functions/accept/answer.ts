/** The record in the answer to a write. Pure. */
import { executedObsUnitOf } from '../../lib/observation/executed-obs-unit.ts';
import type { WrittenUnit } from '../../lib/observation/operations.ts';
import { isJsonObject, parseJson, type Json, type JsonObject } from '../../lib/values/json.ts';

/**
 * The record as the site knew it, merged with this write.
 * @param base and @param patch JSON from the buffer @param open columns without a final value yet: null in the answer
 */
export function answerOf(base: string | undefined, patch: string, open: readonly string[] = []): WrittenUnit {
  const before = recordOf(base ?? '{}');
  const after = recordOf(patch);
  const metadata = { ...objectIn(before.metadata), ...objectIn(after.metadata) };
  const left = Object.fromEntries(open.map((column) => [column, null]));
  const { id, transaction_id, ...values }: JsonObject = { ...before, ...after, metadata, ...left };
  return {
    ...executedObsUnitOf(typeof id === 'string' ? id : '', values, { state: 'buffered' }),
    transaction_id: typeof transaction_id === 'string' ? transaction_id : '',
  };
}

function recordOf(text: string): JsonObject {
  return objectIn(parseJson(text));
}

function objectIn(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
