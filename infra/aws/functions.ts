import { ArnFormat, CfnParameter, Duration, Fn, SecretValue, Stack } from 'aws-cdk-lib';
import { SecurityGroup, Vpc, type IVpc } from 'aws-cdk-lib/aws-ec2';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Code, Function, RecursiveLoop, Runtime, type FunctionProps } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { dirname } from 'node:path';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';
import type { VariableSource } from '../../lib/config/variable.ts';
import { bundlePath } from '../bundle.ts';
import { recursive } from '../recursion.ts';
import {
  environment,
  functions,
  reservedConcurrency,
  triggeredBy,
  type EnvironmentName,
  type FunctionName,
} from '../topology.ts';
import type { Deployment } from './deployment.ts';
import type { Queues } from './queues.ts';
import type { WebSocketGateway } from './web-socket-gateway.ts';

interface FunctionsProps {
  readonly deployment: Deployment;
  readonly bundles: string;
  readonly queues: Queues;
  readonly webSocket: WebSocketGateway;
  readonly frontendOrigins: CfnParameter;
}

/** What Lambda does in its function's name to reach a private network. */
const networkInterfaces = new PolicyStatement({
  actions: [
    'ec2:CreateNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DeleteNetworkInterface',
    'ec2:AssignPrivateIpAddresses',
    'ec2:UnassignPrivateIpAddresses',
  ],
  resources: ['*'],
});

/** The topology's functions: each with its own environment, and no right that its environment does not imply. */
export class Functions extends Construct {
  readonly byName: Readonly<Record<FunctionName, Function>>;
  readonly #props: FunctionsProps;
  readonly #parameters = new Map<string, CfnParameter>();

  constructor(scope: Construct, props: FunctionsProps) {
    super(scope, 'Functions');
    this.#props = props;
    const network = this.#network();
    this.byName = Object.fromEntries(
      Object.entries(functions).map(([key, spec]) => [key, this.#create(key as FunctionName, spec, network)]),
    ) as Record<FunctionName, Function>;
    for (const { name, trigger } of triggeredBy('queue')) {
      this.byName[name].addEventSource(
        new SqsEventSource(props.queues.byName[trigger.queue].queue, {
          batchSize: trigger.batchSize,
          maxConcurrency: functions[name].concurrency,
          reportBatchItemFailures: true,
        }),
      );
    }
  }

  #create(name: FunctionName, spec: FunctionSpec, network: Partial<FunctionProps>): Function {
    const { deployment, bundles } = this.#props;
    const functionName = this.#nameOf(name);
    const { trigger } = spec;
    const reserved = reservedConcurrency(name);
    const variables = Object.keys(spec.settings) as EnvironmentName[];
    const logGroup = new LogGroup(this, `${name}-log`, {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: RetentionDays.THREE_MONTHS,
    });
    const role = new Role(this, `${name}-role`, {
      roleName: functionName,
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    });
    logGroup.grantWrite(role);
    if (spec.database && deployment.network) role.addToPolicy(networkInterfaces);
    const created = new Function(this, name, {
      functionName,
      role,
      logGroup,
      description: spec.description,
      runtime: Runtime.NODEJS_24_X,
      handler: 'index.handler',
      code: Code.fromAsset(dirname(bundlePath(bundles, name))),
      timeout: Duration.seconds(spec.timeoutSeconds),
      memorySize: spec.memoryMegabytes,
      ...(reserved !== undefined && { reservedConcurrentExecutions: reserved }),
      ...('maxAgeSeconds' in trigger && {
        retryAttempts: trigger.retries,
        maxEventAge: Duration.seconds(trigger.maxAgeSeconds),
      }),
      environment: Object.fromEntries(
        variables.map((variable) => [variable, this.#valueOf(variable, deployment)]),
      ),
      ...(recursive.has(name) && { recursiveLoop: RecursiveLoop.ALLOW }),
      ...(spec.database && network),
    });
    for (const variable of variables) this.#grant(created, variable);
    return created;
  }

  #nameOf(name: FunctionName): string {
    return `${this.#props.deployment.name}-${name}`;
  }

  #valueOf(variable: EnvironmentName, { name, settings }: Deployment): string {
    const source = environment[variable];
    switch (source.kind) {
      case 'setting':
        return settings?.[variable] ?? source.value;
      case 'deployment':
        return this.#parameter(variable, source).valueAsString;
      case 'secret':
        // by reference: CloudFormation fills it in, and it is in no template
        return SecretValue.secretsManager(`${name}/${source.secret}`, {
          jsonField: source.field,
        }).unsafeUnwrap();
      case 'queueUrl': {
        const { queue, deadLetters } = this.#props.queues.byName[source.queue];
        return source.use === 'deadLetters' ? deadLetters.queueUrl : queue.queueUrl;
      }
      case 'functionName':
        return this.#nameOf(source.function);
      case 'frontendOrigins':
        return Fn.join(',', this.#props.frontendOrigins.valueAsList);
      case 'managementEndpoint':
        return this.#props.webSocket.managementEndpoint;
    }
  }

  #parameter(
    variable: EnvironmentName,
    { describes: description, initially }: Extract<VariableSource, { kind: 'deployment' }>,
  ): CfnParameter {
    const known = this.#parameters.get(variable);
    if (known) return known;
    const id = variable
      .split('_')
      .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
      .join('');
    const made = new CfnParameter(Stack.of(this), id, {
      type: 'String',
      description,
      minLength: 1,
      ...(initially !== undefined && { default: initially }),
    });
    this.#parameters.set(variable, made);
    return made;
  }

  #grant(to: Function, variable: EnvironmentName): void {
    const source = environment[variable];
    switch (source.kind) {
      case 'queueUrl': {
        const { queue, deadLetters } = this.#props.queues.byName[source.queue];
        if (source.use === 'probe') queue.grant(to, 'sqs:GetQueueAttributes');
        else if (source.use === 'deadLetters') deadLetters.grantConsumeMessages(to);
        else queue.grantSendMessages(to);
        return;
      }
      case 'functionName': {
        // by name: a function that may invoke itself would otherwise depend on itself
        const arn = Stack.of(this).formatArn({
          service: 'lambda',
          resource: 'function',
          resourceName: this.#nameOf(source.function),
          arnFormat: ArnFormat.COLON_RESOURCE_NAME,
        });
        to.addToRolePolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [arn] }));
        return;
      }
      case 'managementEndpoint':
        this.#props.webSocket.grantManagement(to);
        return;
      default:
    }
  }

  #network(): Partial<FunctionProps> {
    const { network } = this.#props.deployment;
    if (!network) return {};
    const vpc: IVpc = Vpc.fromVpcAttributes(this, 'Vpc', {
      vpcId: network.vpcId,
      availabilityZones: network.availabilityZones,
      privateSubnetIds: network.privateSubnetIds,
    });
    return {
      vpc,
      securityGroups: network.securityGroupIds.map((id) =>
        SecurityGroup.fromSecurityGroupId(this, id, id, { mutable: false }),
      ),
    };
  }
}
