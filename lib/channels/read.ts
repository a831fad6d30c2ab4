/** Reads the feed after a position, and detects whether entries may be missing. */
import * as z from 'zod/mini';
import { readFeedAfterScript, readFeedBetweenScript, readFeedEndScript } from '../redis/generated/scripts.ts';
import { feedSeconds, type Change } from '../change-feed/streams.ts';
import type { Site } from '../redis/site.ts';
import { streamNames as names, streams, type StreamName } from './channels.ts';

export interface FeedEntry {
  readonly position: string;
  readonly change?: Change;
  /** id of the aggregate (usually an executed unit), or of the connection */
  readonly record?: string;
  /** table of the aggregate's root row, if it is not an executed unit */
  readonly table?: string;
  readonly obsUnitId?: number;
  /** planned unit to which the record no longer belongs */
  readonly left?: number;
  readonly transaction?: string;
}

export interface StreamTail {
  readonly entries: readonly FeedEntry[];
  /** the entry at the position no longer exists, so entries after it may be missing too */
  readonly isBroken: boolean;
  /** new position of the reader */
  readonly position: string;
  /** there are more entries */
  readonly isTruncated: boolean;
}

export interface Feed {
  /** changes when Redis has lost the streams; positions of another epoch are invalid */
  readonly epoch: string;
  readonly tails: Readonly<Record<StreamName, StreamTail>>;
}

/** The position before the first entry. */
export const nowhere = '0-0';
const pageSize = 500;

/** One entry, `[id, [field, value, …]]`. */
const entry = z.tuple([z.string(), z.array(z.string())]);

/**
 * Reads each stream after its given position, in one round trip. @param newEpoch used if the feed has no epoch yet
 */
export async function readFeed(
  { redis, keys }: Site,
  after: Readonly<Partial<Record<StreamName, string>>>,
  newEpoch: string,
): Promise<Feed> {
  const pipeline = redis.multi();
  pipeline.set(keys.feedEpoch, newEpoch, { nx: true });
  pipeline.get(keys.feedEpoch);
  for (const name of names) {
    pipeline.eval(
      readFeedAfterScript.source,
      [keys.feed(streams[name].stream)],
      [after[name] ?? nowhere, String(pageSize)],
    );
  }
  const [, epoch, ...found] = z.tuple([z.unknown(), z.string()], z.array(entry)).parse(await pipeline.exec());
  const tails = names.map(
    (name, index) => [name, tailOf(after[name] ?? nowhere, found[index] ?? [])] as const,
  );
  return { epoch, tails: Object.fromEntries(tails) as Record<StreamName, StreamTail> };
}

/** The end of each stream, and the epoch. */
export async function readEnds(
  { redis, keys }: Site,
  newEpoch: string,
): Promise<{ readonly epoch: string; readonly positions: Record<StreamName, string> }> {
  const pipeline = redis.multi();
  pipeline.set(keys.feedEpoch, newEpoch, { nx: true });
  pipeline.get(keys.feedEpoch);
  for (const name of names) pipeline.eval(readFeedEndScript.source, [keys.feed(streams[name].stream)], []);
  const [, epoch, ...found] = z.tuple([z.unknown(), z.string()], z.array(entry)).parse(await pipeline.exec());
  const ends = names.map((name, index) => [name, found[index]?.[0]?.[0] ?? nowhere] as const);
  return { epoch, positions: Object.fromEntries(ends) as Record<StreamName, string> };
}

/**
 * Reads a stream from one position to another. @returns undefined if the first entry no longer exists or is too old, or if there are too
 * many entries for one read
 */
export async function readBetween(
  { redis, keys }: Site,
  name: StreamName,
  {
    from,
    to,
    nowMilliseconds,
  }: { readonly from: string; readonly to: string; readonly nowMilliseconds: number },
): Promise<readonly FeedEntry[] | undefined> {
  // trimming is approximate: an entry that is too old may still exist
  if (!isPosition(from) || Number(from.split('-')[0]) < oldestKept(nowMilliseconds)) return undefined;
  const key = keys.feed(streams[name].stream);
  const found = await readFeedBetweenScript(redis, [key], [from, to, pageSize]);
  const { entries, isBroken, isTruncated } = tailOf(from, z.array(entry).parse(found));
  return isBroken || isTruncated ? undefined : entries;
}

/** Pure. If it still exists, the entry at the position is the first. */
export function tailOf(after: string, found: readonly z.infer<typeof entry>[]): StreamTail {
  const isBroken = found[0]?.[0] !== after;
  const entries = (isBroken ? found : found.slice(1))
    .filter(([, [field]]) => field !== 'mark')
    .map(readEntry);
  return {
    entries,
    isBroken,
    position: found.at(-1)?.[0] ?? nowhere,
    isTruncated: found.length === pageSize,
  };
}

function readEntry([position, fields]: z.infer<typeof entry>): FeedEntry {
  const hash = Object.fromEntries(
    fields.flatMap((field, index) => (index % 2 === 0 ? [[field, fields[index + 1] ?? '']] : [])),
  );
  return {
    position,
    ...(hash.change && { change: hash.change as Change }),
    ...(hash.record && { record: hash.record }),
    ...(hash.table && { table: hash.table }),
    ...(hash.obs_unit_id && { obsUnitId: Number(hash.obs_unit_id) }),
    ...(hash.left && { left: Number(hash.left) }),
    ...(hash.transaction && { transaction: hash.transaction }),
  };
}

function isPosition(text: string): boolean {
  return /^\d{1,19}-\d{1,19}$/.test(text);
}

/** Deletes entries that are too old to resume from. */
export async function trimFeed({ redis, keys }: Site, nowMilliseconds: number): Promise<void> {
  const oldest = `${oldestKept(nowMilliseconds)}-0`;
  const pipeline = redis.pipeline();
  for (const name of names) {
    pipeline.xtrim(keys.feed(streams[name].stream), { strategy: 'MINID', exactness: '~', threshold: oldest });
  }
  await pipeline.exec();
}

function oldestKept(nowMilliseconds: number): number {
  return nowMilliseconds - feedSeconds * 1000;
}
