import { readIndex as contract } from '../../lib/api/description.ts';
import { answer } from '../../lib/http/operation.ts';
import { cached } from './cached.ts';
import { indexPage, links, pageHeaders, wantsHtml } from './page.ts';
import { release } from './release.ts';

export const readIndex = answer(contract, async (request) =>
  wantsHtml(request)
    ? { status: 200, headers: { ...cached, ...pageHeaders }, text: indexPage(release.version) }
    : { status: 200, headers: cached, body: { name: 'Operations database', ...release, links } },
);
