/** A client of the HTTP operations, typed by their contracts. At run time it contains only their methods and paths. */
import type * as z from 'zod/mini';
import { routes } from '../api/generated/routes.ts';
import type { OperationName, Operations } from '../api/operations.ts';
import type { Of } from '../http/operation.ts';
import type { Problem } from '../http/problem.ts';

type Schema = z.ZodMiniType;

type ParamsOf<C> = C extends { readonly params: infer P extends object }
  ? { readonly params: { readonly [Name in keyof P]: string } }
  : unknown;

type QueryOf<C> = C extends { readonly query: infer S extends Schema }
  ? { readonly query?: z.input<S> }
  : unknown;

type BodyOf<C> = C extends { readonly body: infer S extends Schema }
  ? { readonly body: z.input<S> }
  : unknown;

/** The request of an operation. */
export type RequestOf<Name extends OperationName> = ParamsOf<Operations[Name]> &
  QueryOf<Operations[Name]> &
  BodyOf<Operations[Name]> & {
    /** the `Idempotency-Key` of a write */
    readonly key?: string | undefined;
    readonly signal?: AbortSignal | undefined;
  };

type SuccessOf<Answers> = {
  [Status in keyof Answers]: {
    readonly isProblem: false;
    readonly status: Status;
    readonly body: Answers[Status] extends Schema ? Of<Answers[Status]> : undefined;
    readonly headers: Headers;
  };
}[keyof Answers];

/** The answer of an operation. */
export type AnswerOf<Name extends OperationName> =
  | SuccessOf<Operations[Name]['answers']>
  | {
      readonly isProblem: true;
      readonly status: number;
      readonly body: Partial<Problem>;
      readonly headers: Headers;
    };

export interface HttpClientSettings {
  /** origin of the API */
  readonly url: string;
  readonly token?: string | undefined;
  /** time-out of a request */
  readonly timeoutMilliseconds?: number;
}

interface Loose {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly key?: string;
  readonly signal?: AbortSignal;
}

export class HttpClient {
  readonly #settings: HttpClientSettings;

  constructor(settings: HttpClientSettings) {
    this.#settings = settings;
  }

  /** @throws the errors of `fetch`, and SyntaxError if the answer is not JSON; the outcome of the request is then unknown */
  async call<Name extends OperationName>(name: Name, request: RequestOf<Name>): Promise<AnswerOf<Name>> {
    const { url, token, timeoutMilliseconds = 10_000 } = this.#settings;
    const { params = {}, query = {}, body, key, signal } = request as Loose;
    const { method, path } = routes[name];
    const at = path.replaceAll(/\{(\w+)\}/g, (_, parameter: string) =>
      encodeURIComponent(params[parameter] ?? ''),
    );
    const search = new URLSearchParams();
    for (const [parameter, value] of Object.entries(query)) {
      if (value !== undefined) search.set(parameter, value);
    }
    const timeout = AbortSignal.timeout(timeoutMilliseconds);
    const response = await fetch(search.size > 0 ? `${url}${at}?${search.toString()}` : url + at, {
      method,
      redirect: 'manual',
      headers: {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(key !== undefined && { 'Idempotency-Key': key }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const text = await response.text();
    const { status, headers } = response;
    const answer: unknown = text === '' ? undefined : JSON.parse(text);
    return { isProblem: status >= 400, status, headers, body: answer } as AnswerOf<Name>;
  }
}
