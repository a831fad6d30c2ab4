/**
 * The contract of one operation: what may be asked of it and what it answers. Routes, parsing, permissions, CORS, throttles,
 * `openapi.json`, the access matrix and the typed client all follow from it.
 */
import type * as z from 'zod/mini';
import type { Claimant } from '../people/claimant.ts';
import type { Permission } from '../people/permissions.ts';
import type { Principal } from '../people/principal.ts';
import type { ProblemCode } from './problem.ts';
import type { Request } from './request.ts';

export type FunctionWithOperations = 'accept' | 'query' | 'health' | 'decide' | 'authenticate' | 'describe';

/** `public`: no credential is read; `any`: every authenticated principal */
export type Access = 'public' | 'any' | Permission;

type Schema = z.ZodMiniType;

/** An answer without a JSON body: another media type, or none at all. */
export interface OtherBody {
  readonly media: string | null;
}

/** An id of nothing, for examples. */
export const noSuchUuid = '00000000-0000-7000-8000-000000000000';

/** `302`: where to go is in `Location`. */
export const noBody = { media: null } as const satisfies OtherBody;

export interface Contract {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: `/${string}`;
  /** the function that has its step */
  readonly function: FunctionWithOperations;
  readonly access: Access;
  /** the credential is judged together with the write, in one round trip: the step gets a claimant instead of a principal */
  readonly identity?: 'claimant';
  /** requests without a principal are counted by the address or the session that they come from */
  readonly rate?: 'address' | 'session';
  /** one line */
  readonly summary: string;
  readonly description?: string;
  /** one schema for each parameter of the path, which gets text */
  readonly params?: Readonly<Record<string, Schema>>;
  /** without it every query parameter is refused */
  readonly query?: Schema;
  readonly body?: Schema;
  /** of success, by status */
  readonly answers: Readonly<Record<number, Schema | OtherBody>>;
  /** codes that its step throws, beyond those that follow from the contract */
  readonly problems?: readonly ProblemCode[];
  /** it writes: problems say whether the write is recorded */
  readonly records?: true;
  /** a read that clients repeat: it gets an `ETag`, and answers `304` */
  readonly etag?: true;
  /** a list in pages: `Link` has the next one */
  readonly pages?: true;
  /** a browser gets HTML instead of JSON */
  readonly page?: true;
  readonly belongsTo?: Ownership;
  readonly example: Example;
}

/** Whose the object of a request is. */
export interface Ownership {
  /** whose id the example names */
  readonly object: 'executed_obs_unit' | 'transaction' | 'token' | 'user';
  /** what a request with the permissions of an observer gets about an object of somebody else */
  readonly ofOthers: number;
}

/** A request that is right but for its credential. */
export interface Example {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** the status that it gets with a good credential, in an observatory without records; default: the first of `answers` */
  readonly gets?: number;
}

type ParametersOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParametersOf<Rest>
  : never;

type ParamsSchema<C extends Contract> = [ParametersOf<C['path']>] extends [never]
  ? { readonly params?: never }
  : { readonly params: Readonly<Record<ParametersOf<C['path']>, Schema>> };

type ExampleOf<C extends Contract> = Example &
  ([ParametersOf<C['path']>] extends [never]
    ? unknown
    : { readonly params: Readonly<Record<ParametersOf<C['path']>, string>> }) &
  (C['body'] extends Schema ? { readonly body?: z.input<C['body']> } : { readonly body?: never });

/** A contract as it is, once the compiler has held its parts against each other. */
export function operation<const C extends Contract>(
  contract: C & ParamsSchema<C> & { readonly example: ExampleOf<C> },
): C {
  return contract;
}

type Parsed<S> = S extends Schema ? z.output<S> : undefined;

type Identified<C extends Contract> = C['access'] extends 'public'
  ? unknown
  : C extends { readonly identity: 'claimant' }
    ? { readonly claimant: Claimant }
    : { readonly principal: Principal };

/** What a step gets: the parsed request, and who asks. */
export type Asked<C extends Contract> = Request & {
  readonly params: { readonly [Name in keyof C['params']]: Parsed<C['params'][Name]> };
  readonly query: Parsed<C['query']>;
  readonly body: Parsed<C['body']>;
} & Identified<C>;

type DeepReadonly<T> = T extends readonly (infer Each)[]
  ? readonly DeepReadonly<Each>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** The type that a schema describes. */
export type Of<S extends Schema> = DeepReadonly<z.output<S>>;

interface Heading {
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookies?: readonly string[];
}

type Content<Answer> = Answer extends Schema
  ? { readonly body: Of<Answer> }
  : Answer extends { readonly media: string }
    ? { readonly text: string } | { readonly bytes: Uint8Array }
    : { readonly body?: undefined };

type PageOf<C extends Contract, Status> = C extends { readonly page: true }
  ? Heading & { readonly status: Status; readonly text: string }
  : never;

/** What a step may answer: a status that its contract declares, with the body that goes with it. */
export type Answer<C extends Contract> = {
  [Status in keyof C['answers']]:
    (Heading & { readonly status: Status } & Content<C['answers'][Status]>) | PageOf<C, Status>;
}[keyof C['answers']];

/** An operation with the code that answers it; `Parts` is what that needs of its function. */
export interface Step<C extends Contract, Parts> {
  readonly contract: C;
  readonly run: (asked: Asked<C>, parts: Parts) => Promise<Answer<C>>;
}

export function answer<C extends Contract, const Given extends Answer<C>, Parts = unknown>(
  contract: C,
  run: (asked: Asked<C>, parts: Parts) => Promise<Given>,
): Step<C, Parts> {
  return { contract, run };
}
