/** Sends copies of transactions that have been pending for longer than a message should take. */
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
/** what one sweep has time for; the next goes on */
const maxPages = 40;

interface ResendParts extends Site {
  readonly transactions: Pick<Queue, 'send' | 'sendEach'>;
  readonly log: Log;
  readonly pageSize?: number;
}

export interface Resent {
  /** accepted and not recorded by main, with those whose lease has run out */
  readonly pending: number;
  readonly resent: number;
  /** copies that SQS will not take, whatever is tried: Redis alone holds these transactions */
  readonly refused: number;
}

/**
 * While main is away every old transaction gets one copy and no more, however long that lasts; with main in reach nothing
 * should be old, and what is gets a copy each time. One wake-up drains them all.
 */
export async function resendOld(parts: ResendParts, nowMilliseconds: number): Promise<Resent> {
  const { redis, keys, transactions, log } = parts;
  // claims nothing, but gives back the leases that have run out
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
      log.error('SQS refuses copies: redis alone holds these transactions', {
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

/** The next old pending references: in the order of stamp and text, which no two of them share. */
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
  // as many as share the stamp of the last one come before those that are asked for
  for (let count = pageSize; ; count *= 2) {
    const options = { byScore: true, offset: 0, count } as const;
    const members = z.array(z.string()).parse(await redis.zrange(keys.pending, from, upTo, options));
    const later = members.filter(isLater);
    if (later.length > 0 || members.length < count) return later;
  }
}
