/** `npm run asyncapi`: writes lib/channels/asyncapi.json. */
import { writeFile } from 'node:fs/promises';
import { format } from 'prettier';
import { asyncApi } from '../../lib/channels/asyncapi.ts';

const file = new URL('../../lib/channels/asyncapi.json', import.meta.url);
await writeFile(file, await format(JSON.stringify(asyncApi), { parser: 'json', printWidth: 110 }));
