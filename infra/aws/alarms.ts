import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, TreatMissingData, type IMetric } from 'aws-cdk-lib/aws-cloudwatch';
import { FilterPattern, MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { FunctionName } from '../topology.ts';
import type { Functions } from './functions.ts';
import type { Queues } from './queues.ts';

interface AlarmedParts {
  readonly name: string;
  readonly queues: Queues;
  readonly functions: Functions;
}

/** Log lines that need attention, by their `metric`. */
const loggedMetrics = [
  {
    metric: 'DeploymentFault',
    functionName: 'apply',
    description:
      'Main fails for a reason that is not in any transaction: schema, permissions or a foreign trigger. Records are safe and wait in the buffer.',
  },
  {
    metric: 'NoProgress',
    functionName: 'apply',
    description: 'Main answers, but a transaction accepted over a minute ago is not recorded there.',
  },
  {
    metric: 'UnreadableMessage',
    functionName: 'apply',
    description:
      'A message could not be read. Its text is stored at main and listed among the failed transactions.',
  },
  ...(['apply', 'confirm', 'sweep'] as const).map((functionName) => ({
    metric: 'AcknowledgedLost',
    functionName,
    description: 'Main lost commits, and for some of them no store has the body. They are listed as failed.',
  })),
  ...(['accept', 'decide', 'authenticate', 'sweep'] as const).map((functionName) => ({
    metric: 'BufferDefect',
    functionName,
    description:
      'The buffer answered with a script error, or with an answer that this release cannot read. Observations go to the queue alone.',
  })),
  {
    metric: 'NoActiveAdmin',
    functionName: 'sweep',
    description: 'No user is an active admin. Make one with `npm run break-glass`.',
  },
  {
    metric: 'RelayBehind',
    functionName: 'sweep',
    description: 'Changes by other programs at main have not been relayed to live clients for two minutes.',
  },
] as const satisfies readonly { metric: string; functionName: FunctionName; description: string }[];

/** Alarms for operators. None is about losing a record: acknowledged records are kept until main has them. */
export function alarms(scope: Construct, { name, queues, functions }: AlarmedParts): void {
  const alarm = (id: string, metric: IMetric, threshold: number, description: string) =>
    new Alarm(scope, `Alarm-${id}`, {
      alarmName: `${name}-${id}`,
      alarmDescription: description,
      metric,
      threshold,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  const period = Duration.minutes(5);
  for (const { metric, functionName, description } of loggedMetrics) {
    const id = `${metric}-${functionName}`;
    const filter = new MetricFilter(scope, `Filter-${id}`, {
      logGroup: functions.byName[functionName].logGroup,
      filterPattern: FilterPattern.stringValue('$.metric', '=', metric),
      metricNamespace: name,
      metricName: id,
    });
    alarm(id, filter.metric({ statistic: 'Sum', period }), 1, description);
  }
  for (const [key, { queue, deadLetters }] of Object.entries(queues.byName)) {
    const dead = deadLetters.metricApproximateNumberOfMessagesVisible({ period });
    alarm(
      `${key}-dead-letters`,
      dead,
      1,
      'The sweeper sends them back to their queue. If they return, a function fails.',
    );
    const age = queue.metricApproximateAgeOfOldestMessage({ period });
    alarm(`${key}-age`, age, 3600, 'Main or a replica has been unreachable for an hour.');
  }
  for (const [key, each] of Object.entries(functions.byName)) {
    alarm(
      `${key}-errors`,
      each.metricErrors({ period }),
      5,
      `Function ${key} fails. Its log has the reason.`,
    );
  }
}
