import { endWithParent } from './process.ts';
import { startUpstash } from './upstash.ts';

endWithParent();
const [redisPort = '', port = '', token = ''] = process.argv.slice(2);
await startUpstash({ redisPort: Number(redisPort), port: Number(port), token });
process.send?.('listening');
