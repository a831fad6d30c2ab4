/** Which functions may cause their own next invocation: over queues that they send to, and functions that they invoke. */
import { environment, functions, triggeredBy, type EnvironmentName, type FunctionName } from './topology.ts';

/** Functions that the given one may cause to run. */
function causedBy(name: FunctionName): FunctionName[] {
  return (Object.keys(functions[name].settings) as EnvironmentName[]).flatMap((variable): FunctionName[] => {
    const source = environment[variable];
    if (source.kind === 'functionName') return [source.function];
    if (source.kind !== 'queueUrl' || source.use !== 'send') return [];
    return triggeredBy('queue').flatMap((each) => (each.trigger.queue === source.queue ? [each.name] : []));
  });
}

function reaches(from: FunctionName, target: FunctionName): boolean {
  const seen = new Set<FunctionName>();
  const open = causedBy(from);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === target) return true;
    if (seen.has(name)) continue;
    seen.add(name);
    open.push(...causedBy(name));
  }
  return false;
}

/** Lambda must not stop these: they wake themselves until their work is done. */
export const recursive: ReadonlySet<FunctionName> = new Set(
  (Object.keys(functions) as FunctionName[]).filter((name) => reaches(name, name)),
);
