/** Sends copies of transactions that have been pending for longer than processing should take. */
import * as z from 'zod/mini';
import { readBodies } from '../../lib/buffer/bodies.ts';
import { claim } from '../../lib/buffer/claim.ts';
import { readReference } from '../../lib/buffer/reference.ts';
import type { Log } from '../../lib/observability/log.ts';
import { storedMessage, transactionMessage, wakeMessage } from '../../lib/queue/messages.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { Site } from '../../lib/redis/site.ts';

const oldMilliseconds = 60_000;
const defaultPageSize = 500;
/** limit of one sweep; the next one continues */
const maxPages = 40;

interface ResendParts extends Site {
  readonly transactions: Pick<Queue, 'send' | 'sendEach'>;
  readonly log: Log;
  readonly pageSize?: number;
}

export interface Resent {
  /** transactions not recorded by main, including those with an expired lease */
  readonly pending: number;
  readonly resent: number;
  /** copies that SQS rejects for good: only Redis holds these transactions */
  readonly refused: number;
}

/**
 * Sends one copy of each old transaction per outage of main. While main is reachable there should be no old transactions, so each
 * sweep sends a copy of them. One wake-up drains them all.
 */
export async function resendOld(parts: ResendParts, nowMilliseconds: number): Promise<Resent> {
  const { redis, keys, transactions, log } = parts;
  // claims nothing, but returns expired leases to pending
  const { backlog: pending } = await claim(
    { redis, keys },
    {
      copies: [],
      limit: 0,
      nowMilliseconds,
      leaseMilliseconds: 0,
      always: true,
    },
  );
  const [mainDown, reached] = z
    .tuple([z.int(), z.nullable(z.string())])
    .parse(await redis.pipeline().exists(keys.mainDown).get(keys.resentAfter).exec());
  if (pending > 0) await transactions.send(wakeMessage);
  const upTo = (nowMilliseconds - oldMilliseconds) * 1000;
  let after = mainDown === 1 && reached !== null ? reached : undefined;
  let resent = 0;
  let refused = 0;
  for (let page = 0; page < maxPages; page += 1) {
    const members = await pendingAfter(parts, after, upTo);
    const last = members.at(-1);
    if (last === undefined) break;
    const { transactions: bodies, unreadable } = await readBodies(
      { redis, keys },
      members.map(readReference),
    );
    const messages = [
      ...bodies.map((each) => ({ id: each.id, body: transactionMessage(each) })),
      // another release may read it
      ...unreadable.map(({ reference, text }) => ({ id: reference.id, body: storedMessage(text) })),
    ];
    const outcomes = await transactions.sendEach(messages.map(({ body }) => body));
    const isRefused = messages.filter((_, index) => outcomes[index] === 'refused').map(({ id }) => id);
    if (isRefused.length > 0) {
      log.error('SQS rejects copies: only redis holds these transactions', {
        metric: 'CopyRefused',
        transactions: isRefused,
      });
    }
    refused += isRefused.length;
    resent += outcomes.filter((outcome) => outcome === 'taken').length;
    if (outcomes.includes('failed')) break;
    after = last;
    await redis.set(keys.resentAfter, after);
  }
  return { pending, resent, refused };
}

/** The next old pending references, ordered by stamp and text, which together are unique. */
async function pendingAfter(
  { redis, keys, pageSize = defaultPageSize }: ResendParts,
  after: string | undefined,
  upTo: number,
): Promise<string[]> {
  const from = after === undefined ? '-inf' : readReference(after).stamp;
  const isLater = (member: string) => {
    const stamp = readReference(member).stamp;
    return after === undefined || stamp > Number(from) || member > after;
  };
  // references with the same stamp as the last one come first, so read more until a later one appears
  for (let count = pageSize; ; count *= 2) {
    const options = { byScore: true, offset: 0, count } as const;
    const members = z.array(z.string()).parse(await redis.zrange(keys.pending, from, upTo, options));
    const later = members.filter(isLater);
    if (later.length > 0 || members.length < count) return later;
  }
}
