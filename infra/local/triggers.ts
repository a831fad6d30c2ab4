/** What invokes functions by itself: the event sources of queues, and schedules. */
import { functions, queues, triggeredBy, type ScheduledName } from '../topology.ts';
import { startEventSource } from './event-source.ts';
import { longestChain, type LambdaRules, type Lambdas } from './lambdas.ts';
import type { MessageQueues } from './message-queues.ts';
import type { OnLine } from './parts.ts';

interface TriggerOptions {
  readonly lambdas: Lambdas;
  readonly queues: MessageQueues;
  /** undefined: schedules do not run by themselves */
  readonly runSchedule: ((name: ScheduledName) => Promise<unknown>) | undefined;
  readonly rules: LambdaRules;
  readonly log: OnLine;
}

/** @returns how to stop them, which waits for what they have begun */
export function startTriggers({
  lambdas,
  queues: { client, urls },
  runSchedule,
  rules,
  log,
}: TriggerOptions) {
  const sources = triggeredBy('queue').map(({ name, trigger }) =>
    startEventSource(client, {
      urls: urls[trigger.queue],
      spec: queues[trigger.queue],
      batchSize: trigger.batchSize,
      lambda: lambdas[name],
      maximumConcurrency: functions[name].concurrency,
      longestChain: longestChain(name, rules),
      onError: (error) => log(`event source ${queues[trigger.queue].name}: ${String(error)}`),
    }),
  );
  const timers = runSchedule === undefined ? [] : startSchedules(runSchedule, log);
  return async (): Promise<void> => {
    for (const timer of timers) clearInterval(timer);
    await Promise.all(sources.map((source) => source.stop()));
  };
}

function startSchedules(run: (name: ScheduledName) => Promise<unknown>, log: OnLine): NodeJS.Timeout[] {
  return triggeredBy('schedule').map(({ name, trigger }) =>
    setInterval(() => {
      run(name).catch((error: unknown) => log(`schedule ${name}: ${String(error)}`));
    }, trigger.everySeconds * 1000),
  );
}
