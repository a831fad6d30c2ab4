/** The CDK app: bundles the functions and describes one deployment of them. */
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { fileURLToPath } from 'node:url';
import { bundleFunctions } from '../bundle.ts';
import { readDeployment } from './deployment.ts';
import { OpsDbStack } from './ops-db-stack.ts';

const bundles = fileURLToPath(new URL('../../dist', import.meta.url));
await bundleFunctions(bundles);

const app = new App();
new OpsDbStack(app, { bundles, deployment: readDeployment((key) => app.node.tryGetContext(key)) });
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
app.synth();
