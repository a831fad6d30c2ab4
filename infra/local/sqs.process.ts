/** SQS in memory, on the loopback interface only: fauxqs' own start would open every interface. */
import { buildApp } from 'fauxqs';
import { endWithParent } from './process.ts';

endWithParent();
const app = buildApp({ logger: false });
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) });
process.send?.('listening');
