import { CfnOutput, CfnParameter, Duration, Stack, Tags } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { Trigger } from 'aws-cdk-lib/triggers';
import type { Construct } from 'constructs';
import { triggeredBy } from '../topology.ts';
import { acknowledge } from './acknowledgments.ts';
import { alarms } from './alarms.ts';
import type { Deployment } from './deployment.ts';
import { Edge } from './edge.ts';
import { Functions } from './functions.ts';
import { HttpGateway } from './http-gateway.ts';
import { Queues } from './queues.ts';
import { WebSocketGateway } from './web-socket-gateway.ts';

export interface OpsDbStackProps {
  readonly deployment: Deployment;
  /** directory of the functions' bundles */
  readonly bundles: string;
}

/** The API, functions, queues and schedules of one observatory. Secrets name its Redis and Postgres. */
export class OpsDbStack extends Stack {
  constructor(scope: Construct, { deployment, bundles }: OpsDbStackProps) {
    const { name, account, region } = deployment;
    super(scope, name, {
      description: 'Operations database API of a remote observatory',
      env: { ...(account && { account }), ...(region && { region }) },
    });
    Tags.of(this).add('application', name);

    const queues = new Queues(this, name);
    const webSocket = new WebSocketGateway(this, name);
    const frontendOrigins = new CfnParameter(this, 'FrontendOrigins', {
      type: 'CommaDelimitedList',
      description: 'Origins of the web UI that may call the API and log users in, separated by commas',
    });
    const functions = new Functions(this, { deployment, bundles, queues, webSocket, frontendOrigins });
    webSocket.route(functions);
    const http = new HttpGateway(this, { name, functions, frontendOrigins });
    for (const { name: target, trigger } of triggeredBy('schedule')) {
      new Rule(this, `Schedule-${target}`, {
        ruleName: `${name}-${target}`,
        schedule: Schedule.rate(Duration.seconds(trigger.everySeconds)),
        targets: [new LambdaFunction(functions.byName[target], { retryAttempts: 0 })],
      });
    }
    // migrate the schema before the functions that need it are replaced
    for (const { name: step, trigger } of triggeredBy('deployment')) {
      new Trigger(this, step.charAt(0).toUpperCase() + step.slice(1), {
        handler: functions.byName[step],
        executeBefore: trigger.before.map((each) => functions.byName[each]),
        timeout: Duration.minutes(5),
      });
    }
    alarms(this, { name, queues, functions });
    const edge = new Edge(this, { http, webSocket, domain: deployment.domain });
    acknowledge(this, deployment);

    new CfnOutput(this, 'HttpUrl', { value: http.url, description: 'HTTPS API for scripts' });
    new CfnOutput(this, 'SiteUrl', {
      value: edge.url,
      description: 'HTTPS API and WebSocket on one domain, for browsers',
    });
    new CfnOutput(this, 'WebSocketUrl', {
      value: edge.webSocketUrl,
      description: 'WebSocket, with ?ticket=…',
    });
  }
}
