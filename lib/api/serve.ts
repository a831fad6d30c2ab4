/** Handlers of HTTP functions: the common middlewares, then the step of the operation. */
import middy from '@middy/core';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { logLevel } from '../config/log-level.ts';
import { entityTag } from '../http/middlewares/entity-tag.ts';
import { exchangeOf, type Exchange } from '../http/middlewares/exchange.ts';
import { headers } from '../http/middlewares/headers.ts';
import { identity } from '../http/middlewares/identity.ts';
import { jsonAnswer } from '../http/middlewares/json-answer.ts';
import { parsing } from '../http/middlewares/parsing.ts';
import { problems } from '../http/middlewares/problems.ts';
import { rate, type CountedBy } from '../http/middlewares/rate.ts';
import { routing } from '../http/middlewares/routing.ts';
import { traced } from '../function/traced.ts';
import type { Contract, FunctionWithOperations, Step } from '../http/operation.ts';
import type { Reply, Request } from '../http/request.ts';
import { createLog } from '../observability/log.ts';
import type { Claimant } from '../people/claimant.ts';
import type { Principal } from '../people/principal.ts';
import type { Operations } from './operations.ts';

/** Names of the operations of function `F`. */
type OperationOf<F extends FunctionWithOperations> = {
  [Name in keyof Operations]: Operations[Name]['function'] extends F ? Name : never;
}[keyof Operations];

type Contracts<F extends FunctionWithOperations> = Operations[OperationOf<F>];
type Closed<F extends FunctionWithOperations> = Exclude<Contracts<F>, { readonly access: 'public' }>;

/** Identification of the client; not needed if every operation is public. */
type Identification<F extends FunctionWithOperations, Parts> = [Closed<F>] extends [never]
  ? unknown
  : [Closed<F>] extends [{ readonly identity: 'claimant' }]
    ? { readonly identify: (request: Request, parts: Parts) => Promise<{ readonly claimant: Claimant }> }
    : { readonly identify: (request: Request, parts: Parts) => Promise<{ readonly principal: Principal }> };

type Counted<F extends FunctionWithOperations> = Extract<Contracts<F>, { readonly rate: CountedBy }>;
type Counting<F extends FunctionWithOperations, Parts> = [Counted<F>] extends [never]
  ? unknown
  : { readonly rates: RatesWith<Parts> };

type RatesWith<Parts> = Readonly<Record<CountedBy, (request: Request, parts: Parts) => Promise<void>>>;

type Served<F extends FunctionWithOperations, Parts> = {
  /** dependencies of the steps, from `connect` */
  readonly parts: () => Parts;
  readonly steps: { readonly [Name in OperationOf<F>]: Step<Operations[Name], Parts> };
  /** creates the error for requests that match no route; for the function of `$default` */
  readonly otherwise?: (method: string, path: string) => Error;
} & Identification<F, NoInfer<Parts>> &
  Counting<F, NoInfer<Parts>>;

interface Optional<Parts> {
  readonly identify?: (request: Request, parts: Parts) => Promise<object>;
  readonly rates?: RatesWith<Parts>;
}

type Run = (asked: object, parts: unknown) => Promise<Reply>;

/** Creates the handler of function `name`. The compiler requires a step for each of its operations. */
export function serve<F extends FunctionWithOperations, Parts>(name: F, served: Served<F, Parts>) {
  const { parts, steps, otherwise = unrouted, identify, rates } = served as typeof served & Optional<Parts>;
  const all = Object.entries<{ readonly contract: Contract; readonly run: unknown }>(steps);
  const contracts = Object.fromEntries(all.map(([operation, { contract }]) => [operation, contract]));
  const runs = new Map(all.map(([operation, { run }]) => [operation, run as Run]));
  const run = middy<APIGatewayProxyEventV2, Reply, Error, Context & { exchange?: Exchange }>()
    .use(headers())
    .use(problems(createLog(logLevel, { function: name })))
    .use(jsonAnswer())
    .use(entityTag())
    .use(routing(contracts, otherwise))
    .use(identity(identify && ((request) => identify(request, parts()))))
    .use(rate(rates && ((by, request) => rates[by](request, parts()))))
    .use(parsing())
    .handler(async (_event, context) => {
      const { request, asked } = exchangeOf(context);
      const step = runs.get(request.route.operation);
      if (step === undefined) throw new Error(`no step for ${request.route.operation}`);
      return step(asked, parts());
    });
  return traced(
    async (event: APIGatewayProxyEventV2, context: Context): Promise<APIGatewayProxyStructuredResultV2> =>
      resultOf(await run(event, context)),
  );
}

function unrouted(method: string, path: string): Error {
  return new Error(`API Gateway sent ${method} ${path} to a function without this operation`);
}

function resultOf({ status, headers: of, text, bytes, cookies }: Reply): APIGatewayProxyStructuredResultV2 {
  return {
    statusCode: status,
    ...(of && { headers: { ...of } }),
    ...(text !== undefined && { body: text }),
    ...(bytes && { body: Buffer.from(bytes).toString('base64'), isBase64Encoded: true }),
    ...(cookies && { cookies: [...cookies] }),
  };
}
