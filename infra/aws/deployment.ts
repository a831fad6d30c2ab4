/** The options of a deployment, from the CDK context (`-c key=value`, or `context` in cdk.json). */
import * as z from 'zod/mini';
import { environment } from '../topology.ts';

const network = z.object({
  vpcId: z.string(),
  availabilityZones: z.array(z.string()).check(z.minLength(1)),
  privateSubnetIds: z.array(z.string()).check(z.minLength(1)),
  securityGroupIds: z.array(z.string()).check(z.minLength(1)),
});

// `-c` passes texts, cdk.json passes values
const textOr = <S extends z.ZodMiniType>(schema: S) =>
  z.union([
    schema,
    z.pipe(
      z.pipe(
        z.string(),
        z.transform((text) => JSON.parse(text) as unknown),
      ),
      schema,
    ),
  ]);

const overridable = Object.entries(environment).flatMap(([name, { kind }]) =>
  kind === 'setting' ? [name] : [],
);

const deployment = z.object({
  /** name of the stack, and prefix of functions, queues and secrets */
  name: z.string().check(z.regex(/^[a-z][a-z0-9-]{1,30}$/)),
  account: z.optional(z.string()),
  region: z.optional(z.string()),
  /** for databases in a private network */
  network: z.optional(textOr(network)),
  /** custom domain of the API; its certificate must be in us-east-1 */
  domain: z.optional(textOr(z.object({ name: z.string(), certificateArn: z.string() }))),
  /** overrides of the topology's settings */
  settings: z.optional(textOr(z.partialRecord(z.enum(overridable), z.string()))),
});

export type Deployment = z.infer<typeof deployment>;

/** @throws Error that names the invalid parts of the context */
export function readDeployment(context: (key: string) => unknown): Deployment {
  const keys = Object.keys(deployment.def.shape);
  const given = Object.fromEntries(keys.map((key) => [key, context(key)]));
  const parsed = deployment.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new Error(`CDK context: ${z.prettifyError(parsed.error)}`);
}
