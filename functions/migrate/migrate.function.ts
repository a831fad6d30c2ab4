import { text } from '../../lib/config/environment.ts';
import { secret } from '../../lib/config/variable.ts';
import { common } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'migrate',
  entry: 'functions/migrate/migrate.handler.ts',
  description: 'migrates the schema of main at deployment',
  trigger: { kind: 'deployment', before: ['apply', 'query'] },
  timeoutSeconds: 300,
  memoryMegabytes: 512,
  concurrency: 1,
  database: true,
  settings: {
    ...common,
    /** The role that owns the schema; only the migration uses it. */
    MAIN_OWNER_DATABASE_URL: secret(text, 'main', 'ownerUrl'),
  },
} as const satisfies FunctionSpec;
