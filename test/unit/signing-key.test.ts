import { expect, it } from 'vitest';
import { accessTokenVerifier, signAccessToken } from '../../lib/credentials/access-token.ts';
import { keySteps, newSigningKey, requirePublished, signingKey } from '../../lib/credentials/signing-key.ts';

const settings = { issuer: 'https://site', audience: 'ops-db' };
const session = { id: '7', name: 'Seven', role: 'viewer', sessionId: 's' } as const;

async function sign(key: Awaited<ReturnType<typeof newSigningKey>>): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return signAccessToken(key, settings, session, { issuedAt: now, expiresAt: now + 1800, id: 'j' });
}

it('keySteps rotate keys without ever refusing a valid token', async () => {
  const [first, second] = await Promise.all([newSigningKey('first'), newSigningKey('second')]);
  const created = keySteps.create(first);
  const old = await sign(created.signing);

  const published = keySteps.publish(created, second);
  expect(published.signing).toBe(first);
  // instances that still have this key set verify the tokens of the next step
  await accessTokenVerifier(published.jwks, settings)(await sign(second));

  const signing = keySteps.sign(published);
  expect(signing).toMatchObject({ signing: { kid: 'second' } });
  expect(signing).not.toHaveProperty('next');
  await accessTokenVerifier(signing.jwks, settings)(old);

  const retired = keySteps.retire(signing);
  expect(retired.jwks.keys.map(({ kid }) => kid)).toEqual(['second']);
  await expect(accessTokenVerifier(retired.jwks, settings)(old)).rejects.toThrow('not valid');
  for (const { jwks } of [created, published, signing, retired])
    expect(JSON.stringify(jwks)).not.toContain('"d"');
});

it('keySteps throw when a step comes too early', async () => {
  const created = keySteps.create(await newSigningKey('first'));
  expect(() => keySteps.sign(created)).toThrow('publish');
  expect(() => keySteps.retire(keySteps.publish(created, created.signing))).toThrow('does not sign yet');
});

it('requirePublished throws when no published key matches the signing key', async () => {
  const [first, other] = await Promise.all([newSigningKey('first'), newSigningKey('other')]);
  const { jwks } = keySteps.create(first);
  expect(() => requirePublished(signingKey.parse(first), jwks)).not.toThrow();
  expect(() => requirePublished(signingKey.parse(other), jwks)).toThrow('not among the published');
  expect(() => requirePublished(signingKey.parse({ ...other, kid: 'first' }), jwks)).toThrow(
    'does not match',
  );
  expect(signingKey.safeParse(jwks.keys[0]).success).toBe(false);
});
