/**
 * The contract of one operation: its request and its answers. Routes, parsing, permissions, CORS, throttles, `openapi.json`, the
 * access matrix and the typed client are derived from it.
 */
import type * as z from 'zod/mini';
import type { Claimant } from '../people/claimant.ts';
import type { Permission } from '../people/permissions.ts';
import type { Principal } from '../people/principal.ts';
import type { ProblemCode } from './problem.ts';
import type { Request } from './request.ts';

export type FunctionWithOperations = 'accept' | 'query' | 'health' | 'decide' | 'authenticate' | 'describe';

/** `public`: no credential; `any`: every authenticated principal */
export type Access = 'public' | 'any' | Permission;

type Schema = z.ZodMiniType;

/** An answer without a JSON body: another media type, or no body. */
export interface OtherBody {
  readonly media: string | null;
}

/** An id for examples, which no record has. */
export const noSuchUuid = '00000000-0000-7000-8000-000000000000';

/** For redirects: the target is in `Location`. */
export const noBody = { media: null } as const satisfies OtherBody;

export interface Contract {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: `/${string}`;
  /** the function that answers it */
  readonly function: FunctionWithOperations;
  readonly access: Access;
  /** the step gets a claimant instead of a principal, and verifies the credential together with the write in one round trip */
  readonly identity?: 'claimant';
  /** requests without a principal are counted by source address or by session */
  readonly rate?: 'address' | 'session';
  /** one line */
  readonly summary: string;
  readonly description?: string;
  /** one schema per parameter of the path; its input is text */
  readonly params?: Readonly<Record<string, Schema>>;
  /** absent if the operation takes no query parameters */
  readonly query?: Schema;
  readonly body?: Schema;
  /** successful answers, by status */
  readonly answers: Readonly<Record<number, Schema | OtherBody>>;
  /** codes that the step throws, in addition to those that follow from the contract */
  readonly problems?: readonly ProblemCode[];
  /** a write: its problems state whether it was recorded */
  readonly records?: true;
  /** answers with an `ETag`, and with `304` to `If-None-Match` */
  readonly etag?: true;
  /** a list in pages, with a `Link` to the next page */
  readonly pages?: true;
  /** browsers get HTML instead of JSON */
  readonly page?: true;
  readonly belongsTo?: Ownership;
  readonly example: Example;
}

/** The owned object of a request. */
export interface Ownership {
  /** kind of the object in the example */
  readonly object: 'executed_obs_unit' | 'transaction' | 'token' | 'user';
  /** status of a request by an observer about an object of another user */
  readonly ofOthers: number;
}

/** A valid request without its credential. */
export interface Example {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** its status with a valid credential and an empty database; default: the first of `answers` */
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

/** Returns the contract unchanged. Its type makes the compiler check that the parts are consistent. */
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

/** The input of a step: the parsed request, with its principal or claimant. */
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

/** An answer of a step: a status that its contract declares, with the corresponding body. */
export type Answer<C extends Contract> = {
  [Status in keyof C['answers']]:
    (Heading & { readonly status: Status } & Content<C['answers'][Status]>) | PageOf<C, Status>;
}[keyof C['answers']];

/** An operation with its implementation. `Parts` are its dependencies, provided by its function. */
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
