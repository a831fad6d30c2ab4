/** The principals of a history: two, with an API token each. */
import { createHash } from 'node:crypto';
import { mintApiToken } from './product.ts';
import { Random } from './engine/random.ts';
import type { Machine } from './machine.ts';
import type { Databases } from './world/databases.ts';

const rights = [
  ...['read:observations', 'write:observations', 'delete:observations', 'read:transfers', 'manage:transfers'],
  ...['manage:transactions', 'manage:tokens', 'manage:users', 'configure:system'],
].join(' ');
const principals = [1, 2];

function tokenFor(seed: number, principal: number) {
  return mintApiToken(String(principal), new Random(seed ^ (principal * 7919)).bytes(64));
}

let made: { readonly seed: number; readonly tokens: ReadonlyMap<number, string> } | undefined;

export function tokenOf(seed: number, principal: number): string {
  if (made?.seed !== seed) {
    made = { seed, tokens: new Map(principals.map((each) => [each, tokenFor(seed, each).token])) };
  }
  return made.tokens.get(principal) ?? '';
}

interface Parts {
  readonly machine: Machine;
  readonly databases: Databases;
  readonly seed: number;
}

/** Main and Redis know everybody. */
export async function letIn({ machine, databases, seed }: Parts): Promise<void> {
  const rows = principals.map((principal) => {
    const id = uuidOf(`token ${principal}`);
    const { hash } = tokenFor(seed, principal);
    return { principal: String(principal), id, hash };
  });
  await databases.begin(
    rows
      .map(
        ({ principal, id, hash }) => `
        insert into api_token (id, principal, name, role, permissions, token_hash)
          values ('${id}', '${principal}', 'sim', 'admin', '${rights}', '${hash}');
        insert into ops_user (id, principal, login, name, role, role_from, stamp)
          values ('${uuidOf(`user ${principal}`)}', '${principal}', 'u${principal}', 'U', 'admin', 'admin', 1);`,
      )
      .join(''),
  );
  const { redis } = machine;
  for (const { principal, id, hash } of rows) {
    await redis.ask(
      'HSET',
      `ops:user:${principal}`,
      ...flat({ ...userFields(principal), active: '1', permissions: rights }),
    );
    await redis.ask('SADD', 'ops:users', principal);
    await redis.ask('HSET', `ops:token:${hash}`, ...flat(tokenFields(principal, id)));
    await redis.ask('SADD', `ops:tokens:of:${principal}`, hash);
    await redis.ask('SET', `ops:token:id:${id}`, hash);
  }
  await redis.ask('SET', 'ops:people:loaded', '1');
}

const userFields = (principal: string) => ({
  ...{ principal, login: `u${principal}`, name: 'U', role: 'admin', role_from: 'admin', stamp: '1' },
  ...{ last_login_at: '', created_at: '2028-01-01T00:00:00Z' },
});

const tokenFields = (principal: string, id: string) => ({
  ...{ id, principal, name: 'sim', role: 'admin', permissions: rights, expires_at: '', revoked: '0' },
  ...{ created_at: '0', uses: '0', used_at: '' },
});

function flat(fields: Readonly<Record<string, string>>): string[] {
  return Object.entries(fields).flat();
}

function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
