/** The CloudFormation template and the local stack agree: both are built from the topology. */
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { readDeployment } from '../../infra/aws/deployment.ts';
import { OpsDbStack } from '../../infra/aws/ops-db-stack.ts';
import { testBundles } from '../support/test-bundles.ts';
import { environmentOf } from '../../infra/local/environment.ts';
import { recursive } from '../../infra/recursion.ts';
import {
  cors,
  environment,
  fallback,
  functions,
  httpRoutes,
  publicThrottle,
  queues,
  reservedByAll,
  reservedConcurrency,
  throttle,
  triggeredBy,
  webSocketRoutes,
  webSocketStage,
  type EnvironmentName,
  type FunctionName,
  type Throttle,
} from '../../infra/topology.ts';

interface Resource {
  readonly Properties: Readonly<Record<string, unknown>>;
}

let template: Template;

beforeAll(async () => {
  const app = new App();
  const deployment = readDeployment((key) => (key === 'name' ? 'ops-db' : undefined));
  template = Template.fromStack(new OpsDbStack(app, { bundles: await testBundles(), deployment }));
});

const resources = (type: string) => Object.values(template.findResources(type) as Record<string, Resource>);
const ours = () =>
  resources('AWS::Lambda::Function').filter(({ Properties }) => Properties.FunctionName !== undefined);
const names = Object.keys(functions) as FunctionName[];

describe('the synthesized template', () => {
  it('has the functions of the topology, with their limits and environment variables', () => {
    const found = Object.fromEntries(
      ours().map(({ Properties }) => [
        String(Properties.FunctionName).replace('ops-db-', ''),
        {
          timeout: Properties.Timeout,
          memory: Properties.MemorySize,
          environment: Object.keys((Properties.Environment as { Variables: object }).Variables).sort(),
        },
      ]),
    );
    const expected = Object.fromEntries(
      names.map((name) => [
        name,
        {
          timeout: functions[name].timeoutSeconds,
          memory: functions[name].memoryMegabytes,
          environment: Object.keys(functions[name].settings).sort(),
        },
      ]),
    );
    expect(found).toEqual(expected);
  });

  it('gives each function the same environment variables as the local stack', () => {
    const urls = { url: 'q', deadLetterUrl: 'd' };
    const values = Object.fromEntries(Object.keys(environment).map((name) => [name, 'x']));
    for (const name of names) {
      const local = environmentOf(name, { transactions: urls, replicationChecks: urls }, values);
      const deployed = ours().find(({ Properties }) => Properties.FunctionName === `ops-db-${name}`);
      const { Variables } = deployed?.Properties.Environment as { Variables: object };
      expect(Object.keys(Variables).sort()).toEqual(Object.keys(local).sort());
    }
  });

  it('does not retry the start of a broadcaster or a sweep', () => {
    const configs = resources('AWS::Lambda::EventInvokeConfig').map(({ Properties }) => Properties);
    expect(configs).toMatchObject(
      [functions.broadcast, functions.sweep].map(({ trigger: { retries, maxAgeSeconds } }) => ({
        MaximumRetryAttempts: retries,
        MaximumEventAgeInSeconds: maxAgeSeconds,
      })),
    );
  });

  it('lets exactly those functions recurse that wake themselves', () => {
    const allowed = ours().filter(({ Properties }) => Properties.RecursiveLoop === 'Allow');
    const names = allowed.map(({ Properties }) => String(Properties.FunctionName).replace('ops-db-', ''));
    expect(names.sort()).toEqual([...recursive].sort());
  });

  it('reserves concurrency as the topology does, and as its README says', async () => {
    const reserved = Object.fromEntries(
      ours().map(({ Properties }) => [
        String(Properties.FunctionName).replace('ops-db-', ''),
        Properties.ReservedConcurrentExecutions,
      ]),
    );
    expect(reserved).toEqual(Object.fromEntries(names.map((name) => [name, reservedConcurrency(name)])));
    const readme = await readFile(new URL('../../infra/aws/README.md', import.meta.url), 'utf8');
    expect(readme).toContain(`reserves ${reservedByAll} concurrent executions`);
  });

  it('has the routes of both APIs', () => {
    const keys = resources('AWS::ApiGatewayV2::Route').map(({ Properties }) => Properties.RouteKey);
    const expected = [
      ...httpRoutes.map(({ method, path }) => `${method} ${path}`),
      fallback.routeKey,
      ...Object.keys(webSocketRoutes),
    ];
    expect(keys.sort()).toEqual(expected.sort());
    const stages = resources('AWS::ApiGatewayV2::Stage').map(({ Properties }) => Properties.StageName);
    expect(stages.sort()).toEqual(['$default', webSocketStage].sort());
  });

  it('has the queues, each with its dead-letter queue, consumer and limits', () => {
    const made = resources('AWS::SQS::Queue').map(({ Properties }) => Properties);
    for (const [, spec] of Object.entries(queues)) {
      const queue = made.find(({ QueueName }) => QueueName === `ops-db-${spec.name}`);
      expect(queue).toMatchObject({
        VisibilityTimeout: spec.visibilityTimeoutSeconds,
        MessageRetentionPeriod: spec.retentionSeconds,
        RedrivePolicy: { maxReceiveCount: spec.maxReceiveCount },
      });
      expect(made.map(({ QueueName }) => QueueName)).toContain(`ops-db-${spec.name}-dead-letter`);
    }
    const sources = resources('AWS::Lambda::EventSourceMapping').map(({ Properties }) => Properties);
    expect(
      triggeredBy('queue')
        .map(({ trigger }) => trigger.queue)
        .sort(),
    ).toEqual(Object.keys(queues).sort());
    for (const { name, trigger } of triggeredBy('queue')) {
      const { visibilityTimeoutSeconds } = queues[trigger.queue];
      expect(visibilityTimeoutSeconds).toBeGreaterThanOrEqual(6 * functions[name].timeoutSeconds);
    }
    for (const source of sources) expect(source.FunctionResponseTypes).toEqual(['ReportBatchItemFailures']);
    const bounds = ({ BatchSize, ScalingConfig }: Resource['Properties']) => ({ BatchSize, ScalingConfig });
    expect(sources.map(bounds)).toEqual(
      triggeredBy('queue').map(({ name, trigger }) => ({
        BatchSize: trigger.batchSize,
        ScalingConfig: { MaximumConcurrency: functions[name].concurrency },
      })),
    );
  });

  it('has the schedules', () => {
    const rules = resources('AWS::Events::Rule').map(({ Properties }) => Properties);
    expect(rules.map(({ Name }) => Name)).toEqual(
      triggeredBy('schedule').map(({ name }) => `ops-db-${name}`),
    );
    expect(rules.map(({ ScheduleExpression }) => ScheduleExpression)).toEqual(['rate(1 minute)']);
  });

  it('contains secrets only by reference, and no placeholder', () => {
    for (const { Properties } of ours()) {
      const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
      for (const [name, value] of Object.entries(Variables)) {
        const { kind } = environment[name as EnvironmentName];
        if (kind === 'secret') expect(value).toMatch(/^\{\{resolve:secretsmanager:ops-db\//);
        if (kind === 'deployment') expect(value).toEqual({ Ref: expect.any(String) as string });
      }
    }
    expect(JSON.stringify(template.toJSON())).not.toMatch(/placeholder|example\.com/i);
  });

  it('resolves every secret again when CredentialsVersion changes', () => {
    for (const { Properties } of ours()) {
      const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
      const needsSecrets = Properties.FunctionName !== 'ops-db-describe';
      expect(JSON.stringify(Variables).includes('{{resolve:secretsmanager')).toBe(needsSecrets);
      expect(Variables.CREDENTIALS_VERSION).toEqual({ Ref: 'CredentialsVersion' });
    }
    expect(template.toJSON()).toMatchObject({ Parameters: { CredentialsVersion: { Default: '1' } } });
  });

  it('allows the configured origins, and throttles public operations separately', () => {
    const [api] = resources('AWS::ApiGatewayV2::Api').filter(
      ({ Properties }) => Properties.CorsConfiguration,
    );
    expect(api?.Properties.CorsConfiguration).toEqual({
      AllowCredentials: true,
      AllowHeaders: [...cors.allowHeaders],
      AllowMethods: [...cors.methods],
      AllowOrigins: { Ref: 'FrontendOrigins' },
      ExposeHeaders: [...cors.exposeHeaders],
      MaxAge: cors.maxAgeSeconds,
    });
    const [http] = resources('AWS::ApiGatewayV2::Stage').filter(
      ({ Properties }) => Properties.StageName === '$default',
    );
    const limits = ({ requestsPerSecond, burst }: Throttle) => ({
      ThrottlingRateLimit: requestsPerSecond,
      ThrottlingBurstLimit: burst,
    });
    expect(http?.Properties.DefaultRouteSettings).toEqual(limits(throttle));
    const open = httpRoutes.filter(({ access }) => access === 'public');
    const keys = [fallback.routeKey, ...open.map(({ method, path }) => `${method} ${path}`)];
    expect(http?.Properties.RouteSettings).toEqual(
      Object.fromEntries(keys.map((key) => [key, limits(publicThrottle)])),
    );
  });

  it('logs no part of a request that may contain a credential', () => {
    for (const { Properties } of resources('AWS::ApiGatewayV2::Stage')) {
      const { Format } = Properties.AccessLogSettings as { Format: string };
      expect(Format).not.toMatch(/querystring|\$context\.path|header|authorizer/i);
    }
  });

  it('gives the health function read access to the queue only', () => {
    const policies = JSON.stringify(
      Object.entries(template.findResources('AWS::IAM::Policy')).filter(([key]) =>
        key.includes('healthrole'),
      ),
    );
    expect(policies).toContain('sqs:GetQueueAttributes');
    expect(policies).not.toContain('sqs:SendMessage');
  });

  it('gives the accept function no access to Postgres, and no permission except sending', () => {
    const role = JSON.stringify(
      Object.entries(template.findResources('AWS::IAM::Policy')).filter(([key]) =>
        key.includes('acceptrole'),
      ),
    );
    expect(role).toContain('sqs:SendMessage');
    expect(role).not.toMatch(/sqs:ReceiveMessage|lambda:InvokeFunction|execute-api|secretsmanager/);
    expect(Object.keys(functions.accept.settings).filter((name) => /DATABASE|REPLICA/.test(name))).toEqual(
      [],
    );
  });
});
