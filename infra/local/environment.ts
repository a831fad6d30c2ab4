/** The environment of each function on this machine: the topology's names with local values. */
import type { queues } from '../topology.ts';
import { environment, functions, type EnvironmentName, type FunctionName } from '../topology.ts';
import type { QueueUrls } from './sqs.ts';

/** Values of secrets and deployment settings, and overrides of other settings, by environment name. */
export type LocalValues = Readonly<Partial<Record<EnvironmentName, string>>>;

export function environmentOf(
  name: FunctionName,
  queueUrls: Readonly<Record<keyof typeof queues, QueueUrls>>,
  values: LocalValues,
): Record<string, string> {
  return Object.fromEntries(
    (Object.keys(functions[name].settings) as EnvironmentName[]).map((variable) => [
      variable,
      valueOf(variable, queueUrls, values),
    ]),
  );
}

function valueOf(
  variable: EnvironmentName,
  queueUrls: Readonly<Record<keyof typeof queues, QueueUrls>>,
  values: LocalValues,
): string {
  const source = environment[variable];
  const given = values[variable];
  switch (source.kind) {
    case 'queueUrl': {
      const urls = queueUrls[source.queue];
      return source.use === 'deadLetters' ? urls.deadLetterUrl : urls.url;
    }
    case 'functionName':
      return source.function;
    case 'setting':
      return given ?? source.value;
    default: {
      const value = given ?? ('initially' in source ? source.initially : undefined);
      if (value === undefined) throw new Error(`the local stack has no value for ${variable}`);
      return value;
    }
  }
}
