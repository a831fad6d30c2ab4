/** Puts the simulated stores in the place of the product's clients, for all that is imported after this. */
import { registerHooks } from 'node:module';

const standIns: Readonly<Record<string, string>> = {
  'lib/redis/client.ts': 'stores/redis.ts',
  'lib/queue/queue.ts': 'stores/queue.ts',
  'lib/postgres/connect.ts': 'stores/postgres.ts',
  'lib/function/connect.ts': 'stores/connect.ts',
  'lib/change-feed/start-broadcaster.ts': 'stores/start-broadcaster.ts',
};

const root = new URL('../../', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    const path = found.url.startsWith(root) ? found.url.slice(root.length) : '';
    const standIn = standIns[path];
    const isOurs = context.parentURL?.startsWith(`${root}test/`) === true;
    if (standIn === undefined || isOurs) return found;
    return { ...found, url: new URL(`./${standIn}`, import.meta.url).href };
  },
});

/** An Ed25519 key that signs nothing: principals of a simulation have API tokens. */
const jwks = {
  keys: [{ kty: 'OKP', crv: 'Ed25519', kid: 'sim', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }],
};
const replicas = ['near', 'far'].map((name) => ({ name, url: `sim://${name}` }));

Object.assign(process.env, {
  LOG_LEVEL: 'error',
  REDIS_URL: 'http://redis.invalid',
  REDIS_TOKEN: 'none',
  REDIS_PREFIX: 'ops',
  MAIN_DATABASE_URL: 'sim://main',
  REPLICAS: JSON.stringify(replicas),
  JWT_PUBLIC_JWKS: JSON.stringify(jwks),
  JWT_ISSUER: 'http://observatory.invalid',
  JWT_AUDIENCE: 'ops-db',
  CREDENTIALS_VERSION: '1',
  TRANSACTIONS_QUEUE_URL: 'transactions',
  REPLICATION_CHECKS_QUEUE_URL: 'checks',
  TRANSACTIONS_DEAD_LETTER_QUEUE_URL: 'dead transactions',
  REPLICATION_CHECKS_DEAD_LETTER_QUEUE_URL: 'dead checks',
  RATE_LIMIT_PER_SECOND: '100000',
  BUFFER_BUDGET_BYTES: '1000000',
  ANSWER_BUDGET_MS: '15',
  REDIS_TIMEOUT_MS: '300',
  START_WAIT_SECONDS: '900',
  BROADCAST_FUNCTION_NAME: 'broadcast',
} satisfies NodeJS.ProcessEnv);
