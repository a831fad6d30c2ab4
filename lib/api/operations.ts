/**
 * Every HTTP operation once, by name. Infrastructure, documents, the access matrix and the typed client read it; functions
 * import its type alone, so that each bundle holds its own contracts only.
 */
import * as audit from '../audit/operations.ts';
import * as credentials from '../credentials/operations.ts';
import type { Contract } from '../http/operation.ts';
import * as login from '../login/operations.ts';
import * as observation from '../observation/operations.ts';
import * as sessions from '../sessions/operations.ts';
import * as status from '../status/operations.ts';
import * as tokens from '../tokens/operations.ts';
import * as submission from '../submission/operations.ts';
import * as transfer from '../transfer/operations.ts';
import * as users from '../users/operations.ts';
import * as description from './description.ts';

const exported = {
  ...observation,
  ...submission,
  ...status,
  ...transfer,
  ...credentials,
  ...login,
  ...sessions,
  ...users,
  ...audit,
  ...tokens,
  ...description,
};

type Exported = typeof exported;

/** The modules of the nouns export schemas beside their contracts. */
export type Operations = {
  readonly [Name in keyof Exported as Exported[Name] extends Contract ? Name : never]: Exported[Name];
};

export const operations = Object.fromEntries(
  Object.entries(exported).filter(([, each]) => typeof each === 'object' && 'method' in each),
) as unknown as Operations;
