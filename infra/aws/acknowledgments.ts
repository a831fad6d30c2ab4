import { Validations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { Deployment } from './deployment.ts';

/** Findings of the AWS Solutions rules that are intended. */
const reasons: Readonly<Record<string, string>> = {
  'AwsSolutions-APIG4':
    'The functions authenticate: an API token is verified in the same Redis round trip that records the write.',
  'AwsSolutions-CFR1': 'Users are in every country, so no geographic restriction applies.',
  'AwsSolutions-CFR2':
    'API Gateway and the functions limit rates. A web application firewall can be attached.',
  'AwsSolutions-CFR3': 'API Gateway logs each request.',
};

/** The certificate of CloudFront's own domain has a fixed security policy. */
const withoutDomain = {
  'AwsSolutions-CFR4': 'Without a custom domain the distribution uses the certificate of CloudFront.',
};

const withNetwork = {
  'AwsSolutions-IAM5[Resource::*]': 'Lambda creates network interfaces whose names are unknown in advance.',
};

export function acknowledge(
  scope: Construct,
  { domain, network, region = '<AWS::Region>', account = '<AWS::AccountId>' }: Deployment,
): void {
  const connections = `arn:<AWS::Partition>:execute-api:${region}:${account}:<WebSocketApi273F6915>/*/*/@connections/*`;
  const all = {
    ...reasons,
    [`AwsSolutions-IAM5[Resource::${connections}]`]:
      'The ids of connections are unknown before they are opened.',
    ...(!domain && withoutDomain),
    ...(network && withNetwork),
  };
  for (const [rule, reason] of Object.entries(all)) {
    Validations.of(scope).acknowledge({ id: `AwsSolutions::${rule}`, reason });
  }
}
