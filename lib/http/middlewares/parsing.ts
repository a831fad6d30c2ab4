import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import * as z from 'zod/mini';
import { bodyText, readJsonBody } from '../json-body.ts';
import type { Contract } from '../operation.ts';
import { parse } from '../parse.ts';
import { readQuery, requireStorable } from '../query.ts';
import type { Given } from '../request.ts';
import { exchangeOf, type Middleware } from './exchange.ts';

/** Parses parameters, query and body according to the contract. @throws ProblemError 400, 413 */
export function parsing(): Middleware {
  // cached, because zod compiles a schema on first use
  const paramsOf = new Map<Contract, z.ZodMiniType>();
  const schemaOf = (contract: Contract) => {
    const schema = paramsOf.get(contract) ?? z.object(contract.params ?? {});
    paramsOf.set(contract, schema);
    return schema;
  };
  return {
    before: ({ event, context }) => {
      const exchange = exchangeOf(context);
      const { contract } = exchange;
      const given = readGiven(event, contract);
      exchange.asked = {
        ...exchange.asked,
        given,
        params: parse(schemaOf(contract), given.params),
        query: contract.query && parse(contract.query, given.query),
        body: contract.body && parse(contract.body, given.body),
      };
    },
  };
}

function readGiven(event: APIGatewayProxyEventV2, contract: Contract): Given {
  const params = Object.fromEntries(
    Object.entries(event.pathParameters ?? {}).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value] as const],
    ),
  );
  for (const [key, value] of Object.entries(params)) requireStorable(key, value);
  return {
    params,
    query: readQuery(event.rawQueryString, { takesQuery: contract.query !== undefined }),
    body: contract.body && readJsonBody(bodyText(event.body, event.isBase64Encoded)),
  };
}
