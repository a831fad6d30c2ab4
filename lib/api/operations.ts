/**
 * The list of all HTTP operations, by name. Infrastructure, documents, the access matrix and the typed client read it. Functions import
 * only its type, so that each bundle contains only its own contracts.
 */
import * as audit from '../audit/operations.ts';
import * as credentials from '../credentials/operations.ts';
import type { Contract } from '../http/operation.ts';
import * as login from '../login/operations.ts';
import * as observation from '../observation/operations.ts';
import * as sessions from '../sessions/operations.ts';
import * as status from '../status/operations.ts';
import * as submission from '../submission/operations.ts';
import * as tokens from '../tokens/operations.ts';
import * as transfer from '../transfer/operations.ts';
import * as users from '../users/operations.ts';
import * as description from './description.ts';

/** The modules with contracts, by their heading in documents. */
const nouns = {
  'Executed units': observation,
  Transactions: submission,
  Transfers: transfer,
  Status: status,
  'API tokens': tokens,
  Credentials: credentials,
  Login: login,
  Sessions: sessions,
  People: users,
  Audit: audit,
  'This API': description,
};

type Exported = typeof observation &
  typeof submission &
  typeof transfer &
  typeof status &
  typeof tokens &
  typeof credentials &
  typeof login &
  typeof sessions &
  typeof users &
  typeof audit &
  typeof description;

/** Only the contracts among the exports, since the modules also export schemas. */
export type Operations = {
  readonly [Name in keyof Exported as Exported[Name] extends Contract ? Name : never]: Exported[Name];
};

export type OperationName = keyof Operations;

export interface Listed extends Contract {
  readonly operation: OperationName;
  readonly noun: keyof typeof nouns;
}

/** In the order of documents. */
export const listed: readonly Listed[] = Object.entries(nouns).flatMap(([noun, module]) =>
  Object.entries(module as Readonly<Record<string, unknown>>)
    .flatMap(([operation, each]) => (isContract(each) ? [{ ...each, operation, noun } as Listed] : []))
    .sort(byPath),
);

export const operations = Object.fromEntries(
  listed.map((each) => [each.operation, each]),
) as unknown as Operations;

function byPath(a: Listed, b: Listed): number {
  const [left, right] = [`${a.path} ${a.method}`, `${b.path} ${b.method}`];
  return left < right ? -1 : left > right ? 1 : 0;
}

function isContract(value: unknown): value is Contract {
  return typeof value === 'object' && value !== null && 'method' in value && 'answers' in value;
}
