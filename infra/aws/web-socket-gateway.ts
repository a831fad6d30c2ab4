import { Stack } from 'aws-cdk-lib';
import type { CfnStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { WebSocketApi, WebSocketStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { WebSocketLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { throttle, webSocketRoutes, webSocketStage } from '../topology.ts';
import { logAccess } from './access-log.ts';
import type { Functions } from './functions.ts';

/** API Gateway's WebSocket API, with a single stage as its only path. */
export class WebSocketGateway extends Construct {
  readonly managementEndpoint: string;
  /** without scheme and path */
  readonly host: string;
  readonly #api: WebSocketApi;

  constructor(scope: Construct, name: string) {
    super(scope, 'WebSocket');
    this.#api = new WebSocketApi(this, 'Api', { apiName: `${name}-websocket` });
    const stage = new WebSocketStage(this, 'Stage', {
      webSocketApi: this.#api,
      stageName: webSocketStage,
      autoDeploy: true,
      throttle: { rateLimit: throttle.requestsPerSecond, burstLimit: throttle.burst },
    });
    logAccess(this, stage.node.defaultChild as CfnStage, `/aws/apigateway/${name}-websocket`);
    this.host = `${this.#api.apiId}.execute-api.${Stack.of(this).region}.${Stack.of(this).urlSuffix}`;
    this.managementEndpoint = stage.callbackUrl;
  }

  route(functions: Functions): void {
    for (const [key, name] of Object.entries(webSocketRoutes)) {
      const integration = new WebSocketLambdaIntegration(
        `${key.slice(1)}-integration`,
        functions.byName[name],
      );
      // only messages can be answered on their connection
      this.#api.addRoute(key, { integration, returnResponse: key === '$default' });
    }
  }

  grantManagement(to: IGrantable): void {
    this.#api.grantManageConnections(to);
  }
}
