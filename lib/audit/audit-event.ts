/** Audit events about sessions, tokens, roles and transactions: append-only at main, the newest also in Redis. */
import * as z from 'zod/mini';
import type { Database } from '../postgres/connect.ts';
import type { Site } from '../redis/site.ts';

export const auditActions = [
  'session.opened',
  'session.extended',
  'session.reused',
  'session.ended',
  'token.created',
  'token.rotated',
  'token.revoked',
  'user.changed',
  'transaction.retry',
  'transaction.discard',
] as const;

export type AuditAction = (typeof auditActions)[number];

/** An event in the shape of the API. */
export const auditEvent = z.object({
  id: z.string(),
  /** ISO 8601, to the millisecond */
  at: z.string(),
  /** user id of the acting user */
  principal: z.string(),
  action: z.enum(auditActions),
  /** id of the affected object */
  subject: z.string(),
  detail: z.record(z.string(), z.json()),
});

export type AuditEvent = z.infer<typeof auditEvent>;

/** The last event of the previous page, newest first. */
export interface AfterEvent {
  readonly at: string;
  readonly id: string;
}

/** Selects events that match every given field. */
export type EventFilter = Partial<Pick<AuditEvent, 'principal' | 'action' | 'subject'>>;

const keptInRedis = 10_000;
const readAtOnce = 500;
const keptSeconds = 14 * 24 * 3600;

/** Makes the event visible at once, before main and the replicas have it. */
export async function saveRecentEvent({ redis, keys }: Site, event: AuditEvent): Promise<void> {
  const pipeline = redis.pipeline();
  pipeline.zadd(keys.recentAudit, { score: Date.parse(event.at), member: JSON.stringify(event) });
  pipeline.zremrangebyrank(keys.recentAudit, 0, -keptInRedis - 1);
  pipeline.expire(keys.recentAudit, keptSeconds);
  await pipeline.exec();
}

/** Events in Redis after `after`, newest first. */
export async function readRecentEvents(
  { redis, keys }: Site,
  { limit, after, filter }: { limit: number; after: AfterEvent | undefined; filter: EventFilter },
): Promise<AuditEvent[]> {
  const from = after === undefined ? '+inf' : Date.parse(after.at);
  // by id, since new events shift the range and may repeat entries
  const found = new Map<string, AuditEvent>();
  for (let offset = 0; found.size < limit; offset += readAtOnce) {
    const range = { byScore: true, rev: true, offset, count: readAtOnce } as const;
    const members = z.array(z.string()).parse(await redis.zrange(keys.recentAudit, from, '-inf', range));
    const events = members.map((member) => auditEvent.parse(JSON.parse(member)));
    for (const each of events) {
      if (matches(each, filter) && (!after || newestFirst(each, after) > 0)) found.set(each.id, each);
    }
    if (members.length < readAtOnce) break;
  }
  return [...found.values()];
}

function matches(each: AuditEvent, filter: EventFilter): boolean {
  return (['principal', 'action', 'subject'] as const).every(
    (field) => filter[field] === undefined || filter[field] === each[field],
  );
}

/** Events in a replica, newest first. */
export async function readEvents(
  replica: Database,
  { limit, after, filter }: { limit: number; after: AfterEvent | undefined; filter: EventFilter },
): Promise<AuditEvent[]> {
  const { rows } = await replica.query({
    name: 'audit-events',
    text: `
      select id::text, to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, principal, action, subject, detail
      from (
        select id, date_trunc('milliseconds', at) as at, principal, action, subject, detail from audit_event
        where $1::timestamptz is null or at <= $1
        union all
        select decided_by, date_trunc('milliseconds', at), principal, 'transaction.' || action, transaction_id::text,
          jsonb_strip_nulls(jsonb_build_object('reason', reason)) from transaction_audit
        where $1::timestamptz is null or at <= $1::timestamptz + interval '1 ms'
      ) event
      where ($1::timestamptz is null or (at, id) < ($1, $2::uuid)) and principal = coalesce($4, principal)
        and action = coalesce($5, action) and subject = coalesce($6, subject)
      order by event.at desc, id desc limit $3`,
    values: [
      ...[after?.at ?? null, after?.id ?? null, limit],
      ...[filter.principal ?? null, filter.action ?? null, filter.subject ?? null],
    ],
  });
  return z.array(auditEvent).parse(rows);
}

/** Merges events of Redis and a replica into a page: each event once, newest first. The replica's version takes precedence. */
export function mergeEvents(
  recent: readonly AuditEvent[],
  replicated: readonly AuditEvent[],
  limit: number,
): { readonly events: readonly AuditEvent[]; readonly next?: AfterEvent } {
  const byId = new Map([...recent, ...replicated].map((each) => [each.id, each]));
  const sorted = [...byId.values()].sort(newestFirst);
  const events = sorted.slice(0, limit);
  const last = events.at(-1);
  return { events, ...(sorted.length > limit && last && { next: { at: last.at, id: last.id } }) };
}

function newestFirst(a: AfterEvent, b: AfterEvent): number {
  return a.at === b.at ? (a.id < b.id ? 1 : -1) : a.at < b.at ? 1 : -1;
}
