/** The index and the documents over HTTP. */
import * as z from 'zod/mini';
import { operation } from '../http/operation.ts';

const release = { version: z.string(), commit: z.nullable(z.string()) };

export const readIndex = operation({
  method: 'GET',
  path: '/',
  function: 'describe',
  access: 'public',
  page: true,
  summary: 'Links to everything: HTML for browsers, else JSON',
  answers: {
    200: z.object({ name: z.string(), ...release, links: z.record(z.string(), z.string()) }),
  },
  example: {},
});

export const readVersion = operation({
  method: 'GET',
  path: '/version',
  function: 'describe',
  access: 'public',
  summary: 'The running release',
  answers: { 200: z.object(release) },
  example: {},
});

export const readAsyncApi = operation({
  method: 'GET',
  path: '/asyncapi.json',
  function: 'describe',
  access: 'public',
  summary: 'The messages of the WebSocket, as an AsyncAPI document',
  answers: { 200: z.record(z.string(), z.unknown()) },
  example: {},
});

export const readOpenApi = operation({
  method: 'GET',
  path: '/openapi.json',
  function: 'describe',
  access: 'public',
  summary: 'The HTTP operations, as an OpenAPI document',
  answers: { 200: z.record(z.string(), z.unknown()) },
  example: {},
});

export const readDocs = operation({
  method: 'GET',
  path: '/docs',
  function: 'describe',
  access: 'public',
  summary: 'The OpenAPI document as a page for trying requests',
  answers: { 200: { media: 'text/html' } },
  example: {},
});

export const readDocsFile = operation({
  method: 'GET',
  path: '/docs/{file}',
  function: 'describe',
  access: 'public',
  summary: 'The files of that page',
  params: { file: z.string() },
  answers: { 200: { media: '*/*' } },
  problems: ['not-found'],
  example: { params: { file: 'start.js' } },
});

export const readProblem = operation({
  method: 'GET',
  path: '/problems/{code}',
  function: 'describe',
  access: 'public',
  page: true,
  summary: 'The meaning of a problem code, and whether to repeat the request',
  params: { code: z.string() },
  answers: {
    200: z.object({
      type: z.string(),
      code: z.string(),
      status: z.number(),
      title: z.string(),
      meaning: z.string(),
      repeat: z.string(),
    }),
  },
  problems: ['not-found'],
  example: { params: { code: 'not-found' } },
});
