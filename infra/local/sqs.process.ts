/** SQS in memory, on the loopback interface only: fauxqs' own start would open every interface. */
import type { AddressInfo } from 'node:net';
import { buildApp } from 'fauxqs';
import { endWithParent } from './process.ts';

endWithParent();
const app = buildApp({ logger: false });
await app.listen({ host: '127.0.0.1', port: 0 });
process.send?.((app.server.address() as AddressInfo).port);
