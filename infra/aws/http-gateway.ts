import { Duration, Stack, type CfnParameter } from 'aws-cdk-lib';
import { HttpRoute, type CfnRoute, type CfnStage, type HttpMethod } from 'aws-cdk-lib/aws-apigatewayv2';
import { CorsHttpMethod, HttpApi, HttpRouteKey, type IHttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Construct } from 'constructs';
import { cors, fallback, httpRoutes, publicThrottle, throttle } from '../topology.ts';
import { logAccess } from './access-log.ts';
import type { Functions } from './functions.ts';

/** API Gateway's HTTP API with the routes of the topology. */
export class HttpGateway extends Construct {
  readonly api: IHttpApi;
  readonly url: string;

  constructor(
    scope: Construct,
    {
      name,
      functions,
      frontendOrigins,
    }: {
      readonly name: string;
      readonly functions: Functions;
      readonly frontendOrigins: CfnParameter;
    },
  ) {
    super(scope, 'Http');
    const api = new HttpApi(this, 'Api', {
      apiName: `${name}-http`,
      corsPreflight: {
        allowOrigins: frontendOrigins.valueAsList,
        allowMethods: cors.methods.map((method) => CorsHttpMethod[method]),
        allowHeaders: [...cors.allowHeaders],
        exposeHeaders: [...cors.exposeHeaders],
        maxAge: Duration.seconds(cors.maxAgeSeconds),
        allowCredentials: true,
      },
    });
    const open: HttpRoute[] = [];
    const integrations = new Map<string, HttpLambdaIntegration>();
    const integrationOf = (name: keyof typeof functions.byName) => {
      const integration =
        integrations.get(name) ?? new HttpLambdaIntegration(`${name}-integration`, functions.byName[name]);
      integrations.set(name, integration);
      return integration;
    };
    for (const route of httpRoutes) {
      const integration = integrationOf(route.function);
      const made = api.addRoutes({ path: route.path, methods: [route.method as HttpMethod], integration });
      if (route.access === 'public') open.push(...made);
    }
    const rest = new HttpRoute(this, 'Rest', {
      httpApi: api,
      routeKey: HttpRouteKey.DEFAULT,
      integration: integrationOf(fallback.function),
    });
    open.push(rest);
    const stage = api.defaultStage?.node.defaultChild as CfnStage;
    stage.defaultRouteSettings = {
      throttlingRateLimit: throttle.requestsPerSecond,
      throttlingBurstLimit: throttle.burst,
    };
    stage.routeSettings = Object.fromEntries(
      open.map((route) => [
        (route.node.defaultChild as CfnRoute).routeKey,
        {
          ThrottlingRateLimit: publicThrottle.requestsPerSecond,
          ThrottlingBurstLimit: publicThrottle.burst,
        },
      ]),
    );
    // route settings may refer to existing routes only
    for (const route of open) stage.addResourceDependency(route.node.defaultChild as CfnRoute);
    this.api = api;
    this.url = `https://${api.apiId}.execute-api.${Stack.of(this).region}.${Stack.of(this).urlSuffix}`;
    logAccess(this, stage, `/aws/apigateway/${name}-http`);
  }
}
