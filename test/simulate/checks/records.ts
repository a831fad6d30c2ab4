/** One record as it was read, against what clients know of it. */
import { must } from './violation.ts';
import { isAcknowledged, isHeld, isRefused, finalStatus, type Ledger, type Write } from './ledger.ts';

export interface Shown {
  readonly id: string;
  readonly obs_unit_id: number | null;
  readonly status: string;
  readonly start_time: string | null;
  readonly end_time: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly sync: {
    readonly state: string;
    readonly unseen?: string;
    readonly verified?: false;
    readonly reason?: string;
    readonly lsn?: string;
  };
}

/** Virtual ms between which the reader has asked. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** @param shown undefined: the answer was that there is none */
export function checkRecord(ledger: Ledger, unit: string, shown: Shown | undefined, span: Span): void {
  if (ledger.loose.has(unit)) return;
  const about = ledger.of(unit).filter((write) => !isRefused(write));
  const isBefore = (write: Write) => isAcknowledged(write) && (write.answeredAt ?? Infinity) < span.from;
  const mayBe = (write: Write) => write.askedAt <= span.to;
  const starts = about.filter(({ does }) => does === 'start');
  const start = starts.find(isBefore);
  if (start)
    must(
      shown !== undefined,
      'missing',
      () => `${unit} was acknowledged (event ${start.event}) and is not shown`,
    );
  if (!shown) return;
  must(
    about.some(mayBe) || ledger.hasUnnamed,
    'invented',
    () => `${unit} is shown, and nobody has written it`,
  );
  if (start) checkStart(start, shown);
  const finishes = about.filter(({ does }) => does === 'finish');
  // of several that are acknowledged the first has set the status, the others repeat it
  const settled = start && finishes.filter((write) => isBefore(write) && isHeld(write));
  const [first] = settled ?? [];
  const possible = first ? [finalStatus(first)] : ['running', ...finishes.filter(mayBe).map(finalStatus)];
  must(
    possible.includes(shown.status),
    'status',
    () => `${unit} is ${shown.status}, not ${possible.join(' or ')}`,
  );
  if (shown.status === 'running')
    must(shown.end_time === null, 'half a finish', () => `${unit} runs and has ended at ${shown.end_time}`);
  else must(shown.end_time !== null, 'half a finish', () => `${unit} is ${shown.status} and has no end`);
  if (first) {
    checkMetadata(unit, shown, [start, first]);
    const given = first.body.end_time;
    if (typeof given === 'string') {
      must(
        sameInstant(given, shown.end_time),
        'end',
        () => `${unit} ended at ${shown.end_time}, not ${given}`,
      );
    }
  }
  // a finish whose start does not come reads so in the end
  if (start)
    must(shown.sync.state !== 'failed', 'failed', () => `${unit} reads as failed: ${shown.sync.reason}`);
}

function checkStart(start: Write, shown: Shown): void {
  const { obs_unit_id, start_time } = start.body;
  const answered = start.answer?.body as Partial<Shown> | undefined;
  must(
    shown.obs_unit_id === obs_unit_id,
    'planned unit',
    () => `${shown.id} is of ${shown.obs_unit_id}, not ${String(obs_unit_id)}`,
  );
  const begun = typeof start_time === 'string' ? start_time : answered?.start_time;
  if (begun)
    must(
      sameInstant(begun, shown.start_time),
      'start',
      () => `${shown.id} began at ${shown.start_time}, not ${begun}`,
    );
}

function checkMetadata(unit: string, shown: Shown, writes: readonly (Write | undefined)[]): void {
  const given = Object.assign({}, ...writes.map((write) => write?.body.metadata ?? {})) as Record<
    string,
    unknown
  >;
  const text = sorted;
  must(
    text(shown.metadata) === text(given),
    'metadata',
    () => `${unit} has ${text(shown.metadata)}, not ${text(given)}`,
  );
}

/** To the microsecond. */
export function sameInstant(a: string, b: string | null): boolean {
  return b !== null && instantOf(a) === instantOf(b);
}

export function instantOf(text: string): bigint {
  const [, fraction = ''] = /\.(\d+)/.exec(text) ?? [];
  const seconds = Date.parse(text.replace(/\.\d+/, ''));
  return BigInt(seconds) * 1000n + BigInt(fraction.padEnd(6, '0').slice(0, 6) || '0');
}

/** JSON in which equal values are equal texts. */
export function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
