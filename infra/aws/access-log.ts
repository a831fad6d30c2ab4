import type { CfnStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

/** Logs one line per request, without any part that may contain a credential. */
export function logAccess(scope: Construct, stage: CfnStage, logGroupName: string): void {
  const group = new LogGroup(scope, 'AccessLog', { logGroupName, retention: RetentionDays.THREE_MONTHS });
  stage.accessLogSettings = {
    destinationArn: group.logGroupArn,
    format: JSON.stringify({
      requestId: '$context.requestId',
      ip: '$context.identity.sourceIp',
      time: '$context.requestTime',
      route: '$context.routeKey',
      status: '$context.status',
      latencyMs: '$context.integrationLatency',
    }),
  };
}
