/** A broken history in words. */
import type { Violation } from './checks/violation.ts';
import type { Event, Fault, Plan } from './plan/plan.ts';

export function storyOf({ seed, events, faults }: Plan, violation: Violation): string[] {
  return [
    `seed ${seed} breaks "${violation.rule}"`,
    ...faults.map((fault) => `  fault: ${faultInWords(fault)}`),
    ...events.map((event) => `  ${event.id}. after ${event.after} ms: ${eventInWords(event)}`),
    `  then: ${violation.message}`,
  ];
}

function faultInWords(fault: Fault): string {
  switch (fault.kind) {
    case 'call':
      return `at call ${fault.nth} of ${fault.store}, ${fault.phase === 'before' ? 'before it is executed' : 'before its answer comes'}: ${doneInWords[fault.does]}`;
    case 'outage':
      return `${fault.what} from ${fault.at} ms on, for ${fault.lasts} ms`;
    case 'loss':
      return fault.what === 'redis rolled back'
        ? `redis falls back at ${fault.at} ms to what it was at ${fault.since} ms`
        : `${fault.what} at ${fault.at} ms`;
    case 'message':
      return `message ${fault.nth} comes ${fault.fate}`;
  }
}

const doneInWords = {
  fail: 'the connection is lost',
  kill: 'the function is killed',
  freeze: 'the function is frozen for 25 s',
  cut: 'the script, if it is one, ends half way',
};

function eventInWords(event: Event): string {
  const clock = event.skew > 0 ? ', by a clock 3 min ahead' : '';
  switch (event.kind) {
    case 'write':
      return `user ${event.principal}: ${event.operation} of unit ${event.unit} ${JSON.stringify(event.body)}${event.key ? `, ${event.key}` : ''}${clock}`;
    case 'repeat':
      return `event ${event.of} is repeated${event.isRespelled ? ' in another spelling' : ''}${clock}`;
    case 'reuse':
      return `the key of event ${event.of} comes with another body, ${JSON.stringify(event.body)}`;
    case 'rows':
      return `rows of unit ${event.unit}: ${event.steps.map(({ kind, table, row, values }) => `${kind} ${table} ${row} ${JSON.stringify(values)}`).join('; ')}`;
    case 'poison':
      return `unit ${event.unit} is started with ${event.poison}`;
    case 'unreadable':
      return `an unreadable message (${event.which})`;
    case 'read':
      return `unit ${event.unit} is read`;
    case 'list':
      return `the list ?${event.query} is read, ${event.limit} at a time`;
    case 'status':
      return `the transaction of event ${event.of} is asked for`;
    case 'decide':
      return `an admin decides about event ${event.of}: ${event.action}`;
    case 'sql':
      return `another program changes unit ${event.unit} at main: ${event.change}`;
  }
}
