/**
 * The identity of a write with a key: a hash of principal, operation, key and the request's content. It does not depend on the spelling
 * of the request, nor on the release: the hashed form is frozen (test/fixtures/release-1).
 */
import { instantOfMicroseconds, microsecondsOf, parseInstant } from '../values/instant.ts';
import { identityJson, isJsonObject, withDoubles } from '../values/json.ts';
import { isUuid } from '../values/uuid.ts';
import { canonicalJson } from './canonical.ts';
import { derivedUuid } from './ids.ts';

export interface WriteRequest {
  readonly principalId: string;
  readonly operation: string;
  /** parameters of the path, as sent */
  readonly params: Readonly<Record<string, string>>;
  /** as parsed, without filled columns */
  readonly body: unknown;
}

export interface TransactionIdentity {
  readonly id: string;
  /** the id that the first release derives for the same request, if different; both ids mean the same transaction */
  readonly alias?: string;
}

/** Frozen names of operations in hashes: a renamed operation keeps its old name here. */
const frozenNames: Readonly<Record<string, string>> = {
  startExecutedObsUnit: 'startExecutedObsUnit',
  finishExecutedObsUnit: 'finishExecutedObsUnit',
};

/** @param key under which the client repeats the request */
export function identityOf(
  { principalId, operation, params, body = null }: WriteRequest,
  key: string,
): TransactionIdentity {
  const content = identityJson({ params: normalizeSpelling(params), body: normalizeSpelling(body) });
  const firstContent = canonicalJson({ params, body: withDoubles(body) });
  const name = frozenNames[operation] ?? operation;
  const idOf = (hashed: string) => derivedUuid('transaction', principalId, name, key, hashed);
  return { id: idOf(content), ...(firstContent !== content && { alias: idOf(firstContent) }) };
}

const instantFields: ReadonlySet<string> = new Set(['start_time', 'end_time']);

/** Normalizes instants and ids. `identityJson` normalizes numbers and the order of keys. */
function normalizeSpelling(given: unknown): unknown {
  if (!isJsonObject(given)) return given;
  return Object.fromEntries(
    Object.entries(given).map(([field, value]) => {
      if (typeof value !== 'string') return [field, value];
      if (instantFields.has(field)) return [field, instantSpelling(value)];
      return [field, field === 'id' && isUuid(value) ? value.toLowerCase() : value];
    }),
  );
}

/** The first release's spelling of instants: three decimals, or six if needed; a leap second as second 60. */
function instantSpelling(text: string): string {
  const parsed = parseInstant(text);
  if (!parsed) return text;
  const { instant, isLeapSecond } = parsed;
  const written = isLeapSecond
    ? instantOfMicroseconds(microsecondsOf(instant) - 1_000_000n).replace(':59.', ':60.')
    : instant;
  return written.replace(/000Z$/, 'Z');
}
