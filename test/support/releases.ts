/** Two releases on one set of stores, as during a deployment: the functions of each, moved by hand. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundlePath } from '../../infra/bundle.ts';
import { answerHttp } from '../../infra/local/gateway/http-api.ts';
import { Lambda } from '../../infra/local/lambda.ts';
import { answerOr500, close, listening } from '../../infra/local/loopback-server.ts';
import type { FunctionName } from '../../infra/topology.ts';
import { extractRelease1 } from './release-1-tree.ts';
import { apiOf, type Api, type TestStack } from './test-stack.ts';

export interface Release {
  readonly name: string;
  /** its origin */
  readonly http: string;
  readonly api: Api;
  readonly invoke: (name: FunctionName, event: unknown) => Promise<unknown>;
}

/** The functions that the stack runs. */
export function thisRelease(stack: TestStack): Release {
  return { name: 'this release', http: stack.description.http, api: stack.api, invoke: stack.invoke };
}

/** Its functions, which the first release has too, behind a gateway of their own. @throws Release1Missing */
export async function firstRelease(
  stack: TestStack,
  directory: string,
  log: (line: string) => void,
): Promise<Release & { readonly stop: () => Promise<void> }> {
  const tree = join(directory, 'release-1');
  const bundles = join(directory, 'release-1-functions');
  await extractRelease1(tree);
  const bundle = `import('./infra/bundle.ts').then(({ bundleFunctions }) => bundleFunctions(${JSON.stringify(bundles)}))`;
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', bundle], { cwd: tree });
  const lambdas = new Map<FunctionName, Lambda>();
  // some functions read settings there that only other functions read today
  const environment = Object.assign(
    {},
    ...Object.values(stack.parts.lambdas).map(({ options }) => options.environment),
  ) as Readonly<Record<string, string>>;
  for (const { options } of Object.values(stack.parts.lambdas)) {
    const bundle = bundlePath(bundles, options.name);
    const onLine = (line: string) => log(`first release, ${options.name}: ${line}`);
    lambdas.set(options.name, new Lambda({ ...options, bundle, environment, onLine }));
  }
  const invoke = async (name: FunctionName, event: unknown) => lambdas.get(name)?.invoke(event);
  const { server, url } = await listening(0);
  server.on(
    'request',
    (request, response) => void answerOr500(answerHttp(invoke, request, response), response),
  );
  return {
    name: 'first release',
    http: url,
    api: apiOf(url, stack.description.tokens.service),
    invoke,
    stop: async () => {
      await close(server);
      await Promise.all([...lambdas.values()].map((each) => each.stop()));
    },
  };
}
