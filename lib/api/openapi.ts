/** The OpenAPI document of the operations. Pure. */
import * as z from 'zod/mini';
import type { Contract, OtherBody } from '../http/operation.ts';
import { problemCodes, type ProblemCode } from '../http/problem.ts';
import { listed, type Listed } from './operations.ts';
import { problemCodesOf } from './problem-codes.ts';

type Json = Readonly<Record<string, unknown>>;
type Schemas = Map<string, Json>;

const description = `Every write is acknowledged once it is stored at the site, whether or not the main database can be reached.

- Send an \`Idempotency-Key\`, or your own \`id\`, with every write, and repeat it until it is answered.
- \`sync.state\` is the progress of a record: \`buffered\` at the site, \`committed\` on the main database, \`replicated\` back to the site.
- Errors are \`application/problem+json\` (RFC 9457). Branch on \`code\`; each \`type\` is a page that explains it.
- Changes are pushed over a WebSocket: see [asyncapi.json](/asyncapi.json).`;

/** @param version of the release */
export function openApi(version: string): Json {
  const schemas: Schemas = new Map([['Problem', problemSchema]]);
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of listed) {
    (paths[operation.path] ??= {})[operation.method.toLowerCase()] = operationOf(operation, schemas);
  }
  return {
    openapi: '3.1.1',
    info: { title: 'Operations database', version, description, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    tags: [...new Set(listed.map(({ noun }) => noun))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        credential: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API token (`ops_…`), or the access token of a session.',
        },
        refresh: { type: 'apiKey', in: 'cookie', name: '__Host-ops_refresh' },
      },
      schemas: Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  };
}

const problemSchema = {
  type: 'object',
  properties: {
    type: { type: 'string', description: '`/problems/{code}`: a page that explains it.' },
    code: { type: 'string', enum: Object.keys(problemCodes), description: 'Stable: branch on it.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    recorded: {
      type: ['boolean', 'null'],
      description:
        'For writes: whether the write was recorded. `null`: unknown; repeat it with the same key.',
    },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: { path: { type: 'string' }, message: { type: 'string' } },
        required: ['path', 'message'],
      },
    },
    error_count: { type: 'integer' },
    request_id: { type: 'string', description: 'Quote it in a report.' },
  },
  required: ['type', 'code', 'title', 'status', 'detail', 'request_id'],
};

function operationOf(contract: Listed, schemas: Schemas): Json {
  const { operation, noun, summary, access, body, rate } = contract;
  const permission = access === 'public' || access === 'any' ? undefined : access;
  const text = [contract.description, permission && `Requires the permission \`${permission}\`.`];
  return {
    operationId: operation,
    tags: [noun],
    summary,
    ...(text.some(Boolean) && { description: text.filter(Boolean).join('\n\n') }),
    security: access !== 'public' ? [{ credential: [] }] : rate === 'session' ? [{ refresh: [] }] : [],
    ...withEntries('parameters', parametersOf(contract, schemas)),
    ...(body && {
      requestBody: {
        required: !z.safeParse(body, undefined).success,
        content: {
          'application/json': {
            schema: schemaOf(body, 'input', schemas),
            ...(contract.example.body !== undefined && { example: contract.example.body }),
          },
        },
      },
    }),
    responses: { ...answersOf(contract, schemas), ...problemsOf(contract) },
  };
}

function withEntries(name: string, entries: readonly Json[]): Json {
  return entries.length > 0 ? { [name]: entries } : {};
}

function parametersOf({ params = {}, query, records, etag, example }: Contract, schemas: Schemas): Json[] {
  const ofPath = Object.entries(params).map(([name, schema]) => ({
    ...{ name, in: 'path', required: true, schema: schemaOf(schema, 'input', schemas) },
    ...(example.params && { example: example.params[name] }),
  }));
  const { properties = {}, required = [] } = (query ? schemaOf(query, 'input', schemas) : {}) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  const ofQuery = Object.entries(properties).map(([name, { description: text, ...schema }]) => ({
    ...{ name, in: 'query' },
    ...(typeof text === 'string' && { description: text }),
    ...{ required: required.includes(name), schema },
    ...(example.query?.[name] !== undefined && { example: example.query[name] }),
  }));
  return [
    ...ofPath,
    ...ofQuery,
    ...(records
      ? [header('Idempotency-Key', 'The same key with the same request is the same write.', 255)]
      : []),
    ...(etag ? [header('If-None-Match', 'The `ETag` of an earlier answer.')] : []),
  ];
}

function header(name: string, text: string, maxLength?: number): Json {
  const schema = { type: 'string', ...(maxLength !== undefined && { minLength: 1, maxLength }) };
  return { name, in: 'header', description: text, required: false, schema };
}

const reasons: Readonly<Record<string, string>> = {
  200: 'OK',
  201: 'Recorded or created',
  202: 'Accepted: the main database will judge it',
  302: 'Redirect to `Location`',
};

function answersOf(contract: Contract, schemas: Schemas): Record<string, Json> {
  const { answers, etag, pages, page } = contract;
  const headers = {
    ...(etag && { ETag: { description: 'Send it as `If-None-Match`.', schema: { type: 'string' } } }),
    ...(pages && { Link: { description: 'The next page, as `rel="next"`.', schema: { type: 'string' } } }),
  };
  const entries = Object.entries(answers).map(([status, answer]) => {
    const location = status === '302' || (status === '201' && contract.path.startsWith('/executed'));
    const all = { ...headers, ...(location && { Location: { schema: { type: 'string' } } }) };
    const content = { ...contentOf(answer, schemas), ...(page && { 'text/html': {} }) };
    return [
      status,
      {
        description: reasons[status] ?? 'Done',
        ...(Object.keys(all).length > 0 && { headers: all }),
        ...(Object.keys(content).length > 0 && { content }),
      },
    ] as const;
  });
  const unchanged = etag ? [['304', { description: 'Not modified' }] as const] : [];
  return Object.fromEntries<Json>([...entries, ...unchanged]);
}

function contentOf(answer: z.ZodMiniType | OtherBody, schemas: Schemas): Json {
  if (!('media' in answer)) return { 'application/json': { schema: schemaOf(answer, 'output', schemas) } };
  return answer.media === null ? {} : { [answer.media]: {} };
}

function problemsOf(contract: Contract): Record<string, Json> {
  const byStatus = Map.groupBy(problemCodesOf(contract), (code) => problemCodes[code][0]);
  return Object.fromEntries(
    [...byStatus].sort(([a], [b]) => a - b).map(([status, codes]) => [String(status), problemOf(codes)]),
  );
}

function problemOf(codes: readonly ProblemCode[]): Json {
  return {
    description: codes
      .map((code) => `[\`${code}\`](/problems/${code}): ${problemCodes[code][1]}`)
      .join('\n\n'),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [{ $ref: '#/components/schemas/Problem' }],
          properties: { code: { enum: codes } },
        },
      },
    },
  };
}

/** @param io `input` for requests, `output` for answers. Answers allow additional members, since later releases may add some. */
function schemaOf(schema: z.ZodMiniType, io: 'input' | 'output', schemas: Schemas): Json {
  const { properties, $defs = {} } = z.toJSONSchema(z.object({ schema }), {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      if (io === 'output' && jsonSchema.additionalProperties === false)
        delete jsonSchema.additionalProperties;
      delete jsonSchema.id;
    },
  });
  for (const [name, definition] of Object.entries($defs)) schemas.set(name, inComponents(definition));
  return inComponents(properties?.schema);
}

function inComponents(schema: unknown): Json {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json;
}
