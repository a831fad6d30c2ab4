/** The cost of authentication in an accepted start: in the function, and in the Redis script. */
import { randomBytes, randomUUID } from 'node:crypto';
import { percentile } from '../../infra/local/percentile.ts';
import { tokenIssuer } from '../../infra/local/demo-credentials.ts';
import { accessTokenVerifier } from '../../lib/credentials/access-token.ts';
import { mintApiToken } from '../../lib/credentials/api-token.ts';
import { readCredential } from '../../lib/credentials/credential.ts';
import { startTestStack, startUnit, type TestStack } from '../support/test-stack.ts';

const rounds = 5;
const times = 400;
const loops = 2000;

/** Prints medians of rounds in turn. */
export async function benchAuthentication(): Promise<void> {
  const stack = await startTestStack({ roundTripMilliseconds: 0 });
  try {
    const { tokens } = stack.description;
    const verify = accessTokenVerifier({ keys: [stack.secrets.publicKey] }, tokenIssuer);
    const asToken = async () => void readCredential(`Bearer ${tokens.service}`);
    const asSession = async () => {
      const credential = readCredential(`Bearer ${tokens.admin}`);
      if (credential.kind === 'session') await verify(credential.jwt);
    };
    const accepted = async () => void (await startUnit(stack.api, { obs_unit_id: 1 }));
    const found: Record<'start' | 'token' | 'session' | 'script', number[]> = {
      start: [],
      token: [],
      session: [],
      script: [],
    };
    for (let round = 0; round <= rounds; round += 1) {
      const each = {
        start: await p50(accepted),
        token: await p50(asToken),
        session: await p50(asSession),
        script: await inRedis(stack),
      };
      if (round === 0) continue; // warm-up
      for (const name of ['start', 'token', 'session', 'script'] as const) found[name].push(each[name]);
    }
    const median = (name: keyof typeof found) => percentile(found[name], 0.5);
    const row = (name: string, own: number) => {
      const all = own + median('script');
      console.log(
        `| ${name} | ${own.toFixed(0)} µs | ${median('script').toFixed(1)} µs | ${((100 * all) / median('start')).toFixed(1)} % |`,
      );
    };
    console.log(`A start, one at a time: p50 ${(median('start') / 1000).toFixed(2)} ms.\n`);
    console.log(
      '| credential | in the function | in the script | share of the start |\n| --- | --- | --- | --- |',
    );
    row('API token', median('token'));
    row('session', median('session'));
  } finally {
    await stack.stop();
  }
}

/** µs */
async function p50(work: () => Promise<void>): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < times; n += 1) {
    const begun = performance.now();
    await work();
    took.push((performance.now() - begun) * 1000);
  }
  return percentile(took, 0.5);
}

/** µs for the commands and comparisons with which the accept script authenticates, measured in a loop within one script. */
async function inRedis({ redisClient, keys }: TestStack): Promise<number> {
  const { hash } = mintApiToken('1', randomBytes(64));
  const [token, user] = [keys.token(hash), keys.user(randomUUID())];
  await redisClient.hset(token, {
    principal: '1',
    permissions: 'write:observations',
    expires_at: '',
    revoked: '0',
  });
  await redisClient.hset(user, { active: '1', permissions: 'write:observations' });
  const loop = (body: string) => `for i = 1, ${loops} do ${body} end return 1`;
  const who = `
    local token = redis.call('HMGET', KEYS[1], 'principal', 'permissions', 'expires_at', 'revoked')
    local found = string.find(' ' .. token[2] .. ' ', ' write:observations ', 1, true)
    local owner = redis.call('HMGET', KEYS[2], 'active', 'permissions')
    local are_loaded = redis.call('EXISTS', KEYS[2]) == 1
    found = string.find(' ' .. owner[2] .. ' ', ' write:observations ', 1, true)
    redis.call('HINCRBY', KEYS[1], 'uses', 1)
    redis.call('HSET', KEYS[1], 'used_at', i)`;
  const took = async (body: string) => {
    const begun = performance.now();
    await redisClient.eval(loop(body), [token, user], []);
    return (performance.now() - begun) * 1000;
  };
  const empty = await took('');
  return Math.max(0, (await took(who)) - empty) / loops;
}
