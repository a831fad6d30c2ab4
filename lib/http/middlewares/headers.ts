import type { Reply } from '../request.ts';
import type { Exchange, Middleware } from './exchange.ts';

const common = {
  'Content-Type': 'application/json',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Strict-Transport-Security': 'max-age=63072000; includeSubDomains',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
};

/** Adds the common headers to every answer. Headers of the step take precedence. */
export function headers(): Middleware {
  const add: Middleware['after'] = (exchanged) => {
    if (exchanged.response) exchanged.response = withHeaders(exchanged.response, exchanged.context.exchange);
  };
  return { after: add, onError: add };
}

function withHeaders(reply: Reply, exchange: Exchange | undefined): Reply {
  const always = Object.fromEntries(exchange?.request.replyHeaders ?? []);
  return { ...reply, headers: { ...common, ...reply.headers, ...always } };
}
