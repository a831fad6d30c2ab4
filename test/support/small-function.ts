/** A function of one file, as the local stack runs it: for tests of what surrounds a function. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lambda, type LambdaOptions } from '../../infra/local/lambda.ts';
import { limits } from '../../infra/limits.ts';
import { defaultFreeze } from '../../infra/local/limits/freeze.ts';

export interface SmallFunction {
  readonly directory: string;
  readonly name?: LambdaOptions['name'];
  /** of the module, which exports `handler` */
  readonly source: string;
  readonly rules?: Partial<LambdaOptions['rules']>;
  readonly timeoutSeconds?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

let made = 0;

export async function smallFunction({ directory, name = 'apply', source, ...given }: SmallFunction) {
  made += 1;
  const bundle = join(directory, `function-${made}.mjs`);
  await writeFile(bundle, source);
  return new Lambda({
    name,
    spec: { timeoutSeconds: given.timeoutSeconds ?? 10 },
    bundle,
    environment: given.environment ?? {},
    rules: {
      concurrency: 2,
      instances: 2,
      longestChain: limits.invocationsInChain.value,
      coldStartMilliseconds: 0,
      freeze: defaultFreeze,
      ...given.rules,
    },
    onLine: () => undefined,
  });
}
