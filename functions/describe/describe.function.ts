import { common } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'describe',
  entry: 'functions/describe/describe.handler.ts',
  description: 'public and without a store: index, problem pages, documents, unmatched routes',
  trigger: { kind: 'http' },
  timeoutSeconds: 5,
  memoryMegabytes: 256,
  concurrency: 10,
  database: false,
  settings: common,
} as const satisfies FunctionSpec;
