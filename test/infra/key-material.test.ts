/** No function starts without its keys; there is no default. */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundlePath } from '../../infra/bundle.ts';
import { environment, functions, type EnvironmentName, type FunctionName } from '../../infra/topology.ts';
import { testBundles } from '../support/test-bundles.ts';

const cli = fileURLToPath(new URL('../../infra/aws/keys.cli.ts', import.meta.url));
const keys = (step: string, input = '') =>
  execFileSync(process.execPath, [cli, step], { input, encoding: 'utf8' });

let bundles: string;
beforeAll(async () => {
  bundles = await testBundles();
});

function start(name: FunctionName, values: Readonly<Partial<Record<EnvironmentName, string>>>) {
  const secret = JSON.parse(keys('create')) as { jwks: string; signing: string };
  const all: Partial<Record<EnvironmentName, string>> = {
    JWT_PUBLIC_JWKS: secret.jwks,
    JWT_SIGNING_JWK: secret.signing,
    FRONTEND_ORIGINS: 'https://ui.example',
    REPLICAS: '[{"name":"site","url":"postgres://127.0.0.1:1/x"}]',
    ...values,
  };
  const variables = (Object.keys(functions[name].settings) as EnvironmentName[]).map((variable) => {
    const source = environment[variable];
    return [variable, all[variable] ?? (source.kind === 'setting' ? source.value : 'http://127.0.0.1:1')];
  });
  const module = pathToFileURL(bundlePath(bundles, name)).href;
  return spawnSync(
    process.execPath,
    ['-e', `import(${JSON.stringify(module)}).then(() => process.exit(0))`],
    {
      encoding: 'utf8',
      env: {
        ...(Object.fromEntries(variables) as Record<string, string>),
        AWS_REGION: 'us-east-1',
        AWS_LAMBDA_FUNCTION_NAME: name,
      },
    },
  );
}

describe.each(['accept', 'query', 'decide', 'authenticate'] as const)('%s', (name) => {
  it('starts only with valid public keys', () => {
    expect(start(name, {}).status).toBe(0);
    const [good] = (JSON.parse((JSON.parse(keys('create')) as { jwks: string }).jwks) as { keys: object[] })
      .keys;
    const broken = [
      { keys: [] },
      { keys: [{ ...good, x: undefined }] },
      { keys: [{ ...good, x: 'AAAA' }] },
      { keys: [{ ...good, kty: 'oct', k: 'your-secret-key-here' }] },
      { keys: [good, good] },
    ];
    for (const jwks of ['', 'secret', ...broken.map((each) => JSON.stringify(each))]) {
      const { status, stderr } = start(name, { JWT_PUBLIC_JWKS: jwks });
      expect(status).not.toBe(0);
      expect(stderr).toContain('JWT_PUBLIC_JWKS');
    }
  });
});

it('authenticate does not start with a signing key that is missing, public or unpublished', () => {
  const other = JSON.parse(keys('create')) as { jwks: string; signing: string };
  const [publicKey] = (JSON.parse(other.jwks) as { keys: unknown[] }).keys;
  for (const signing of ['', 'your-secret-key-here', JSON.stringify(publicKey), other.signing]) {
    const { status, stderr } = start('authenticate', { JWT_SIGNING_JWK: signing });
    expect(status, signing).not.toBe(0);
    expect(stderr).toMatch(/JWT_SIGNING_JWK|not among the published keys/);
    expect(stderr).not.toContain('your-secret-key-here');
  }
});

it('npm run keys takes a secret through a key rotation', () => {
  const created = keys('create');
  const published = keys('publish', created);
  const signing = keys('sign', published);
  const retired = keys('retire', signing);
  const count = (secret: string) =>
    (JSON.parse((JSON.parse(secret) as { jwks: string }).jwks) as { keys: unknown[] }).keys.length;
  expect([created, published, signing, retired].map(count)).toEqual([1, 2, 2, 1]);
});
