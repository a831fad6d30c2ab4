import { Validations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { Deployment } from './deployment.ts';

/** Findings of the AWS Solutions rules that are as they are on purpose. */
const reasons: Readonly<Record<string, string>> = {
  'AwsSolutions-APIG4':
    'The functions authenticate: an API token is verified in the same Redis round trip that records the write.',
  'AwsSolutions-CFR1': 'Observatories, institutes and their people are everywhere.',
  'AwsSolutions-CFR2':
    'API Gateway and the functions limit rates; a firewall can be attached by whoever wants one.',
  'AwsSolutions-CFR3': 'API Gateway logs each request.',
};

/** With the name of CloudFront itself its certificate comes, whose policy is fixed. */
const withoutDomain = {
  'AwsSolutions-CFR4': 'Without a domain of its own the distribution has the certificate of CloudFront.',
};

const withNetwork = {
  'AwsSolutions-IAM5[Resource::*]':
    'Network interfaces are made by Lambda, under names that nobody knows before.',
};

export function acknowledge(
  scope: Construct,
  { domain, network, region = '<AWS::Region>', account = '<AWS::AccountId>' }: Deployment,
): void {
  const connections = `arn:<AWS::Partition>:execute-api:${region}:${account}:<WebSocketApi273F6915>/*/*/@connections/*`;
  const all = {
    ...reasons,
    [`AwsSolutions-IAM5[Resource::${connections}]`]:
      'The ids of connections are not known before they are open.',
    ...(!domain && withoutDomain),
    ...(network && withNetwork),
  };
  for (const [rule, reason] of Object.entries(all)) {
    Validations.of(scope).acknowledge({ id: `AwsSolutions::${rule}`, reason });
  }
}
