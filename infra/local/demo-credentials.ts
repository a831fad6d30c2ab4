/** Credentials of the local stack: a signing key, an API token and a JWT per role, kept in `.local/` until `--fresh`. */
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { algorithm, signAccessToken } from '../../lib/credentials/access-token.ts';
import { hashToken, mintApiToken } from '../../lib/credentials/api-token.ts';
import type { Role } from '../../lib/people/permissions.ts';
import { loadTokens } from '../../lib/tokens/token-store.ts';
import { loadUsers } from '../../lib/users/user-store.ts';
import { connectPostgres } from '../../lib/postgres/connect.ts';
import type { Site } from '../../lib/redis/site.ts';

export interface Secrets {
  readonly privateKey: JWK;
  readonly publicKey: JWK;
  readonly serviceToken: string;
  readonly redisToken: string;
  /** client secret at the local GitHub */
  readonly githubSecret: string;
}

export const tokenIssuer = { issuer: 'http://127.0.0.1', audience: 'ops-db' };

const users = { service: '1', admin: '2', viewer: '3', observer: '4' } as const satisfies Record<
  Role,
  string
>;
const serviceScopes = 'read:observations write:observations read:transfers';

/** Reads `.local/secrets.json` and creates missing secrets. */
export async function demoSecrets(directory: string): Promise<Secrets> {
  const file = join(directory, 'secrets.json');
  const kept = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as Partial<Secrets>,
    () => ({}),
  );
  const secrets: Secrets = { ...(await newSecrets()), ...kept };
  await writeFile(file, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}

async function newSecrets(): Promise<Secrets> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { crv: 'Ed25519', extractable: true });
  const kid = randomUUID();
  return {
    privateKey: { ...(await exportJWK(privateKey)), kid, alg: algorithm },
    publicKey: { ...(await exportJWK(publicKey)), kid, alg: algorithm },
    serviceToken: mintApiToken(users.service, randomBytes(64)).token,
    redisToken: randomBytes(24).toString('base64url'),
    githubSecret: randomBytes(24).toString('base64url'),
  };
}

/** A JWT of a demo user, valid for a week. */
export async function demoAccessToken(secrets: Secrets, role: Role, nowSeconds: number): Promise<string> {
  return signAccessToken(
    secrets.privateKey,
    tokenIssuer,
    { id: users[role], name: `demo ${role}`, role, sessionId: randomUUID() },
    { issuedAt: nowSeconds, expiresAt: nowSeconds + 7 * 24 * 3600, id: randomUUID() },
  );
}

/** Loads the service's API token and the users and tokens of main into Redis, as the sweeper would within a minute. */
export async function loadPeople(site: Site, { serviceToken }: Secrets, mainUrl: string): Promise<void> {
  await site.redis.hset(site.keys.token(hashToken(serviceToken)), {
    id: '1',
    principal: users.service,
    name: 'observatory scripts',
    role: 'service',
    permissions: serviceScopes,
    expires_at: '',
    revoked: '0',
  });
  const main = connectPostgres({ url: mainUrl, applicationName: 'people' });
  try {
    await loadUsers(site, main);
    await loadTokens(site, main);
  } finally {
    await main.end();
  }
  await site.redis.set(site.keys.usersLoaded, '1');
}
