import {
  readAsyncApi as asyncApiContract,
  readOpenApi as openApiContract,
  readVersion as versionContract,
} from '../../lib/api/description.ts';
import asyncApi from '../../lib/channels/asyncapi.json' with { type: 'json' };
import openApi from '../../lib/api/generated/openapi.json' with { type: 'json' };
import { answer } from '../../lib/http/operation.ts';
import { cached } from './cached.ts';
import { release } from './release.ts';

export const readVersion = answer(versionContract, async () => ({
  status: 200,
  headers: cached,
  body: release,
}));

export const readAsyncApi = answer(asyncApiContract, async () => ({
  status: 200,
  headers: cached,
  body: asyncApi,
}));

export const readOpenApi = answer(openApiContract, async () => ({
  status: 200,
  headers: cached,
  body: openApi,
}));
