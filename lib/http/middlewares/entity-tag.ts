import { createHash } from 'node:crypto';
import type { Reply, Request } from '../request.ts';
import { exchangeOf, type Middleware } from './exchange.ts';

/** Adds an entity tag to reads that clients repeat. */
export function entityTag(): Middleware {
  return {
    after: (exchanged) => {
      const { contract, request } = exchangeOf(exchanged.context);
      if (contract.etag && exchanged.response) exchanged.response = conditional(request, exchanged.response);
    },
  };
}

/** The reply with an entity tag, or `304` without a body if the client already has it (RFC 9110, If-None-Match). */
function conditional(request: Request, reply: Reply): Reply {
  const digest = createHash('sha256').update(JSON.stringify(reply.body)).digest('base64url');
  const tag = `"${digest.slice(0, 27)}"`;
  const headers = { ...reply.headers, ETag: tag, 'Cache-Control': 'private, no-cache' };
  const known = (request.headers['if-none-match'] ?? '').split(',').map((each) => each.trim());
  const isKnown = known.some((each) => each === '*' || each.replace(/^W\//, '') === tag);
  return isKnown ? { status: 304, headers } : { ...reply, headers };
}
