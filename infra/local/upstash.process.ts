import type { AddressInfo } from 'node:net';
import { endWithParent } from './process.ts';
import { startUpstash } from './upstash.ts';

endWithParent();
// the token is in the environment, since every user of the machine can read the arguments
const server = await startUpstash({
  redisPort: Number(process.argv[2]),
  port: 0,
  token: process.env.UPSTASH_TOKEN ?? '',
});
process.send?.((server.address() as AddressInfo).port);
