/** The functions of the topology, each with processes of its own. */
import { bundlePath } from '../bundle.ts';
import { functions, type FunctionName } from '../topology.ts';
import { environmentOf, type LocalValues } from './environment.ts';
import { Lambda } from './lambda.ts';
import type { MessageQueues } from './message-queues.ts';
import type { OnLine, Parts } from './parts.ts';

export type Lambdas = Readonly<Record<FunctionName, Lambda>>;

interface LambdaOptions {
  /** where `bundleFunctions` has written */
  readonly bundles: string;
  readonly queues: MessageQueues;
  readonly values: LocalValues;
  /** where the functions reach Lambda's Invoke */
  readonly services: string;
  readonly log: OnLine;
}

export function makeLambdas(
  { bundles, queues, values, services, log }: LambdaOptions,
  parts: Parts,
): Lambdas {
  const endpoints = { AWS_ENDPOINT_URL_SQS: queues.endpoint, AWS_ENDPOINT_URL_LAMBDA: services };
  const lambdas = Object.fromEntries(
    Object.entries(functions).map(([key, spec]) => {
      const name = key as FunctionName;
      const environment = { ...environmentOf(name, queues.urls, values), ...endpoints };
      const onLine = (line: string) => log(`${name}: ${line}`);
      return [name, new Lambda({ name, spec, bundle: bundlePath(bundles, name), environment, onLine })];
    }),
  ) as Lambdas;
  parts.onStop(() => Promise.all(Object.values(lambdas).map((each) => each.stop())));
  return lambdas;
}

/** Starts a process of each function that people wait for. */
export async function warmUp(lambdas: Lambdas): Promise<void> {
  const { accept, query, apply, confirm, health, authenticate, connect } = lambdas;
  const warm = [accept, accept, query, apply, confirm, health, authenticate, connect];
  await Promise.all(warm.map((each) => each.warmUp()));
}
