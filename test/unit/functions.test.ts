/** The list of functions, and loading their handlers. */
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { environment, functions } from '../../infra/topology.ts';
import { text } from '../../lib/config/environment.ts';
import { setting } from '../../lib/config/variable.ts';
import { connect } from '../../lib/function/connect.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const specs: readonly FunctionSpec[] = Object.values(functions);

describe('the list of functions', () => {
  it('names every spec and every handler in functions/', () => {
    const found = (pattern: string) => globSync(pattern, { cwd: root }).sort();
    const described = specs.map(({ entry, name }) => entry.replace(/[^/]*$/, `${name}.function.ts`));
    expect(found('functions/*/*.function.ts')).toEqual(described.sort());
    expect(found('functions/*/*.handler.ts')).toEqual(specs.map(({ entry }) => entry).sort());
  });

  it('gives each environment variable one source', () => {
    for (const { name, settings } of specs) {
      for (const [variable, { source }] of Object.entries(settings)) {
        expect(source, `${variable} of ${name}`).toBe(environment[variable as keyof typeof environment]);
      }
    }
  });
});

it.each(specs)('the handler of $name can be imported without an environment', async ({ entry }) => {
  const module = (await import(/* @vite-ignore */ `../../${entry}`)) as { readonly handler: unknown };
  expect(module.handler).toBeTypeOf('function');
});

it('a handler reads its settings on first use and names every missing one', () => {
  const spec = {
    name: 'sample',
    entry: 'functions/sample/sample.handler.ts',
    description: '',
    trigger: { kind: 'schedule', everySeconds: 60, retries: 0, maxAgeSeconds: 60 },
    timeoutSeconds: 1,
    memoryMegabytes: 128,
    concurrency: 1,
    database: false,
    settings: { MISSING_IN_THIS_TEST: setting(text, 'a'), ALSO_MISSING: setting(text, 'b') },
  } as const satisfies FunctionSpec;
  const connected = connect(spec, ({ settings }) => settings.ALSO_MISSING);
  expect(connected).toThrow(/MISSING_IN_THIS_TEST: .*; ALSO_MISSING: /);
});
