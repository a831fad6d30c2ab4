/** Submits a transaction that no route makes, by the door of the product. */
import type { HttpAnswer } from './functions.ts';
import type { Machine } from './machine.ts';
import { keysOf, submit } from './product.ts';
import { Queue } from './stores/queue.ts';
import { connectRedis } from './stores/redis.ts';

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** @returns what a route would answer */
export async function submitDirectly(
  _machine: Machine,
  transaction: object & { readonly id: string },
  nowMilliseconds: number,
): Promise<HttpAnswer> {
  const site = { redis: connectRedis(), keys: keysOf('ops') };
  const parts = {
    ...site,
    queue: new Queue({ url: 'transactions' }),
    log: silent,
    limits: { requestsPerSecond: 1e6, budgetBytes: 1e9 },
    now: () => nowMilliseconds,
  };
  const submitted = await submit(parts, {
    claimant: { kind: 'none', principalId: '1' },
    permission: '',
    transaction: transaction as unknown as Parameters<typeof submit>[1]['transaction'],
    patch: '{}',
    status: 200,
    nowMilliseconds,
  });
  const answer = (status: number, body: object) => ({ status, headers: {}, body });
  switch (submitted.kind) {
    case 'accepted':
    case 'repeated':
      return answer(200, { transaction_id: transaction.id });
    case 'queuedOnly':
      return answer(202, { transaction_id: transaction.id, sync: { stored_in: 'sqs' } });
    case 'refused': {
      const isUnknown = submitted.code === 'not_acknowledged';
      return answer(isUnknown ? 503 : 409, { recorded: isUnknown ? null : false, code: submitted.code });
    }
  }
}
