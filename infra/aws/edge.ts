import { Stack } from 'aws-cdk-lib';
import {
  AllowedMethods,
  CachePolicy,
  Distribution,
  Function,
  FunctionCode,
  FunctionEventType,
  FunctionRuntime,
  OriginRequestPolicy,
  PriceClass,
  SecurityPolicyProtocol,
  ViewerProtocolPolicy,
} from 'aws-cdk-lib/aws-cloudfront';
import { HttpOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { Construct } from 'constructs';
import { plainWebSocketPath, webSocketPath, webSocketStage } from '../topology.ts';
import type { Deployment } from './deployment.ts';
import type { HttpGateway } from './http-gateway.ts';
import type { WebSocketGateway } from './web-socket-gateway.ts';

export interface EdgeProps {
  readonly http: HttpGateway;
  readonly webSocket: WebSocketGateway;
  readonly domain: Deployment['domain'];
}

/**
 * One domain for both APIs. The only path of a WebSocket API is its stage: a CloudFront function maps the path of the clients to
 * the stage, with the channel as a query parameter.
 */
export class Edge extends Construct {
  readonly url: string;
  readonly webSocketUrl: string;

  constructor(scope: Construct, { http, webSocket, domain }: EdgeProps) {
    super(scope, 'Edge');
    const toStage = (id: string, path: string, channel?: string) =>
      new Function(this, id, {
        runtime: FunctionRuntime.JS_2_0,
        comment: `${path} → /${webSocketStage}`,
        code: FunctionCode.fromInline(
          `function handler(event) {
  var request = event.request;
  request.uri = '/${webSocketStage}';
${channel === undefined ? '' : `  request.querystring.channel = { value: '${channel}' };\n`}  return request;
}`,
        ),
      });
    const custom = domain && {
      domainNames: [domain.name],
      certificate: Certificate.fromCertificateArn(this, 'Certificate', domain.certificateArn),
      minimumProtocolVersion: SecurityPolicyProtocol.TLS_V1_2_2021,
    };
    const shared = {
      allowedMethods: AllowedMethods.ALLOW_ALL,
      cachePolicy: CachePolicy.CACHING_DISABLED,
      originRequestPolicy: OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
      viewerProtocolPolicy: ViewerProtocolPolicy.HTTPS_ONLY,
    };
    const { path, channel } = webSocketPath;
    const webSocketBehavior = (toItsStage: Function) => ({
      origin: new HttpOrigin(webSocket.host),
      functionAssociations: [{ function: toItsStage, eventType: FunctionEventType.VIEWER_REQUEST }],
      ...shared,
    });
    const distribution = new Distribution(this, 'Distribution', {
      comment: `${Stack.of(this).stackName}: HTTP API and WebSocket`,
      ...custom,
      priceClass: PriceClass.PRICE_CLASS_ALL,
      defaultBehavior: { origin: new HttpOrigin(http.url.replace('https://', '')), ...shared },
      additionalBehaviors: {
        [path]: webSocketBehavior(toStage('ToStage', path, channel)),
        [plainWebSocketPath]: webSocketBehavior(toStage('ToPlainStage', plainWebSocketPath)),
      },
    });
    const host = domain?.name ?? distribution.distributionDomainName;
    this.url = `https://${host}`;
    this.webSocketUrl = `wss://${host}${path}`;
  }
}
