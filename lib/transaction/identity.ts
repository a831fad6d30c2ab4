/**
 * The identity of a write under a key: a hash of principal, operation, key and of what the client gave. It is the same for
 * every spelling of one request, and in every release: what is hashed here is frozen (test/fixtures/release-1).
 */
import { instantOfMicroseconds, microsecondsOf, parseInstant } from '../values/instant.ts';
import { identityJson, isJsonObject, withDoubles } from '../values/json.ts';
import { isUuid } from '../values/uuid.ts';
import { canonicalJson } from './canonical.ts';
import { derivedUuid } from './ids.ts';

export interface WriteRequest {
  readonly principalId: string;
  readonly operation: string;
  /** parameters of the path, as the client spelled them */
  readonly params: Readonly<Record<string, string>>;
  /** as it was parsed, before anything was filled in */
  readonly body: unknown;
}

export interface TransactionIdentity {
  readonly id: string;
  /** the id that the first release gave the same request, where it is another: either is the same transaction */
  readonly alias?: string;
}

/** Names under which operations are hashed, for ever: an operation that is renamed keeps its entry. */
const frozenNames: Readonly<Record<string, string>> = {
  startExecutedObsUnit: 'startExecutedObsUnit',
  finishExecutedObsUnit: 'finishExecutedObsUnit',
};

/** @param key under which the client repeats the request */
export function identityOf(
  { principalId, operation, params, body = null }: WriteRequest,
  key: string,
): TransactionIdentity {
  const content = identityJson({ params: inOneSpelling(params), body: inOneSpelling(body) });
  const firstContent = canonicalJson({ params, body: withDoubles(body) });
  const name = frozenNames[operation] ?? operation;
  const idOf = (hashed: string) => derivedUuid('transaction', principalId, name, key, hashed);
  return { id: idOf(content), ...(firstContent !== content && { alias: idOf(firstContent) }) };
}

const instantFields: ReadonlySet<string> = new Set(['start_time', 'end_time']);

/** Numbers and the order of keys are left to `identityJson`. */
function inOneSpelling(given: unknown): unknown {
  if (!isJsonObject(given)) return given;
  return Object.fromEntries(
    Object.entries(given).map(([field, value]) => {
      if (typeof value !== 'string') return [field, value];
      if (instantFields.has(field)) return [field, instantSpelling(value)];
      return [field, field === 'id' && isUuid(value) ? value.toLowerCase() : value];
    }),
  );
}

/** As the first release wrote instants: three digits of a second, or six where they are needed; a leap second as second 60. */
function instantSpelling(text: string): string {
  const parsed = parseInstant(text);
  if (!parsed) return text;
  const { instant, isLeapSecond } = parsed;
  const written = isLeapSecond
    ? instantOfMicroseconds(microsecondsOf(instant) - 1_000_000n).replace(':59.', ':60.')
    : instant;
  return written.replace(/000Z$/, 'Z');
}
