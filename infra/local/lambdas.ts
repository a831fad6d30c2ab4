/** The functions of the topology, each with processes of its own. */
import { bundlePath } from '../bundle.ts';
import { limits } from '../limits.ts';
import { recursive } from '../recursion.ts';
import { functions, reservedByAll, reservedConcurrency, type FunctionName } from '../topology.ts';
import { environmentOf, type LocalValues } from './environment.ts';
import { Lambda, type LambdaOptions } from './lambda.ts';
import { defaultFreeze, type FreezeRules } from './limits/freeze.ts';
import { concurrencyOf } from './limits/invocation.ts';
import type { MessageQueues } from './message-queues.ts';
import type { OnLine, Parts } from './parts.ts';

export type Lambdas = Readonly<Record<FunctionName, Lambda>>;

interface LambdasOptions {
  /** where `bundleFunctions` has written */
  readonly bundles: string;
  readonly queues: MessageQueues;
  readonly values: LocalValues;
  /** where the functions reach Lambda's Invoke */
  readonly services: string;
  readonly rules: LambdaRules;
  readonly log: OnLine;
}

/** What may differ from AWS's own rules; for tests. */
export interface LambdaRules {
  /** more than the start of a process takes by itself */
  readonly coldStartMilliseconds?: number;
  readonly freeze?: FreezeRules;
  /** no function may cause its own invocation for longer */
  readonly longestChain?: number;
}

export function longestChain(name: FunctionName, rules: LambdaRules): number {
  return rules.longestChain ?? (recursive.has(name) ? Infinity : limits.invocationsInChain.value);
}

export function makeLambdas(
  { bundles, queues, values, services, rules, log }: LambdasOptions,
  parts: Parts,
): Lambdas {
  const endpoints = { AWS_ENDPOINT_URL_SQS: queues.endpoint, AWS_ENDPOINT_URL_LAMBDA: services };
  const lambdas = Object.fromEntries(
    Object.entries(functions).map(([key, spec]) => {
      const name = key as FunctionName;
      const environment = { ...environmentOf(name, queues.urls, values), ...endpoints };
      refuseLarge(name, environment);
      const onLine = (line: string) => log(`${name}: ${line}`);
      const bundle = bundlePath(bundles, name);
      return [name, new Lambda({ name, spec, bundle, environment, onLine, rules: rulesOf(name, rules) })];
    }),
  ) as Lambdas;
  parts.onStop(() => Promise.all(Object.values(lambdas).map((each) => each.stop())));
  return lambdas;
}

/** @throws Error if Lambda would not take it */
function refuseLarge(name: FunctionName, environment: Readonly<Record<string, string>>): void {
  const bytes = Buffer.byteLength(Object.entries(environment).flat().join(''));
  const most = limits.environmentBytes.value;
  if (bytes > most) throw new Error(`the environment of ${name} has ${bytes} bytes, and may have ${most}`);
}

/** Of one function: more would not be quicker on one machine. */
const mostInstances = 10;

function rulesOf(name: FunctionName, rules: LambdaRules): LambdaOptions['rules'] {
  const { concurrency } = functions[name];
  return {
    concurrency: concurrencyOf(reservedConcurrency(name), reservedByAll),
    instances: Math.min(concurrency, mostInstances),
    longestChain: longestChain(name, rules),
    coldStartMilliseconds: rules.coldStartMilliseconds ?? 0,
    freeze: rules.freeze ?? defaultFreeze,
  };
}

/** Starts a process of each function that people wait for. */
export async function warmUp(lambdas: Lambdas): Promise<void> {
  const { accept, query, apply, confirm, health, authenticate, connect } = lambdas;
  const warm = [accept, accept, query, apply, confirm, health, authenticate, connect];
  await Promise.all(warm.map((each) => each.warmUp()));
}
