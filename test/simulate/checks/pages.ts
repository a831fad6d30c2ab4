/** A list in pages: complete, each record once, in order, and each as its filter says. */
import { isAcknowledged, isHeld, isRefused, finalStatus, type Ledger, type Write } from './ledger.ts';
import { checkRecord, instantOf, type Shown, type Span } from './records.ts';
import { must } from './violation.ts';

export interface Page {
  readonly records: readonly Shown[];
  /** it says of nothing that it could not see it */
  readonly isWhole: boolean;
  readonly span: Span;
}

export function checkPages(ledger: Ledger, query: string, pages: readonly Page[], span: Span): void {
  const filter = new URLSearchParams(query);
  const records = pages.flatMap((page) => page.records);
  const ids = records.map(({ id }) => id);
  must(new Set(ids).size === ids.length, 'shown twice', () => `?${query} → ${ids.join(', ')}`);
  for (const record of records) {
    must(matches(filter, record), 'filter', () => `?${query} shows ${JSON.stringify(record)}`);
  }
  for (const [index, record] of records.entries()) {
    const before = records[index - 1];
    must(
      !before || isOrdered(before, record),
      'order',
      () => `?${query}: ${before?.start_time} before ${record.start_time}`,
    );
  }
  for (const page of pages) {
    for (const record of page.records) if (page.isWhole) checkRecord(ledger, record.id, record, page.span);
  }
  if (pages.every(({ isWhole }) => isWhole)) checkComplete(ledger, filter, query, new Set(ids), span);
}

/** What was there all the time, and matched all the time, is shown. */
function checkComplete(
  ledger: Ledger,
  filter: URLSearchParams,
  query: string,
  shown: ReadonlySet<string>,
  span: Span,
): void {
  for (const unit of ledger.units) {
    if (ledger.loose.has(unit)) continue;
    const about = ledger.of(unit).filter((write) => !isRefused(write));
    const isBefore = (write: Write) => isAcknowledged(write) && (write.answeredAt ?? Infinity) < span.from;
    const start = about.find((write) => write.does === 'start' && isBefore(write));
    if (!start) continue;
    const finishes = about.filter(({ does, askedAt }) => does === 'finish' && askedAt <= span.to);
    const settled = finishes.filter((write) => isBefore(write) && isHeld(write));
    const [first] = settled;
    // it changes meanwhile
    if (!first && finishes.length > 0) continue;
    const answered = start.answer?.body as Partial<Shown> | undefined;
    const expected = {
      obs_unit_id: Number(start.body.obs_unit_id),
      status: first ? finalStatus(first) : 'running',
      start_time:
        typeof start.body.start_time === 'string' ? start.body.start_time : (answered?.start_time ?? null),
    };
    if (!matches(filter, expected)) continue;
    must(shown.has(unit), 'not listed', () => `?${query} lacks ${unit} (event ${start.event})`);
  }
}

function matches(
  filter: URLSearchParams,
  { obs_unit_id, status, start_time }: Pick<Shown, 'obs_unit_id' | 'status' | 'start_time'>,
): boolean {
  const [unit, state, after, before] = ['obs_unit_id', 'status', 'started_after', 'started_before'].map(
    (name) => filter.get(name),
  );
  if (start_time === null) return false;
  const start = instantOf(start_time);
  return (
    (!unit || Number(unit) === obs_unit_id) &&
    (!state || state === status) &&
    (!after || start >= instantOf(after)) &&
    (!before || start < instantOf(before))
  );
}

function isOrdered(a: Shown, b: Shown): boolean {
  const [first, second] = [instantOf(a.start_time ?? ''), instantOf(b.start_time ?? '')];
  return first > second || (first === second && a.id > b.id);
}
