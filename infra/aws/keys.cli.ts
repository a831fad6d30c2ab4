/** `npm run keys -- create|publish|sign|retire`: creates or rotates the signing keys, from standard input to standard output. */
import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import * as z from 'zod/mini';
import { keySteps, newSigningKey, type KeyMaterial } from '../../lib/credentials/signing-key.ts';

const jwk = z.looseObject({ kty: z.string(), kid: z.string() });
const jsonText = <S extends z.ZodMiniType>(schema: S) =>
  z.pipe(
    z.pipe(
      z.string(),
      z.transform((value) => JSON.parse(value) as unknown),
    ),
    schema,
  );
// all fields are texts, as in Secrets Manager
const secret = z.object({
  jwks: jsonText(z.object({ keys: z.array(jwk) })),
  signing: jsonText(jwk),
  next: z.optional(jsonText(jwk)),
});

const [step] = process.argv.slice(2);
switch (step) {
  case 'create':
    print(keySteps.create(await newSigningKey(randomUUID())));
    break;
  case 'publish':
    print(keySteps.publish(await given(), await newSigningKey(randomUUID())));
    break;
  case 'sign':
  case 'retire':
    print(keySteps[step](await given()));
    break;
  default:
    console.error(
      'npm run --silent keys -- create | publish | sign | retire  (the last three read the secret)',
    );
    process.exitCode = 1;
}

async function given(): Promise<KeyMaterial> {
  const { next, ...rest } = secret.parse(JSON.parse(await text(process.stdin)));
  return { ...rest, ...(next && { next }) };
}

function print(material: KeyMaterial): void {
  const texts = Object.entries(material).map(([field, value]) => [field, JSON.stringify(value)]);
  console.log(JSON.stringify(Object.fromEntries(texts)));
}
