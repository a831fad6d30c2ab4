/**
 * SQS in memory, on the loopback interface only: fauxqs' own start would open every interface. What it does not refuse, and the
 * header by which a chain of invocations is known, is added here.
 */
import type { AddressInfo } from 'node:net';
import { buildApp } from 'fauxqs';
import { endWithParent } from './process.ts';
import { addSqsRules } from './sqs-rules.ts';

endWithParent();
const app = buildApp({ logger: false });
await addSqsRules(app, {
  inFlightMessages: process.argv[2] === undefined ? undefined : Number(process.argv[2]),
});
await app.listen({ host: '127.0.0.1', port: 0 });
process.send?.((app.server.address() as AddressInfo).port);
