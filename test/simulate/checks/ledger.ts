/** What clients know: every write that was asked for, with its answer. Everything that is checked is checked against this. */
import type { HttpAnswer } from '../functions.ts';

export interface Write {
  /** of the event that asks */
  readonly event: number;
  /** `unnamed …` until an answer names it */
  unit: string;
  readonly does: 'start' | 'finish' | 'other';
  /** as it was sent */
  readonly body: Readonly<Record<string, unknown>>;
  readonly principal: number;
  readonly key: string | undefined;
  /** virtual ms */
  readonly askedAt: number;
  answeredAt: number | undefined;
  answer: HttpAnswer | undefined;
  /** of the transaction, as far as an answer has said it */
  transaction: string | undefined;
  /** it may have no effect: another has given it up, or it is one that main cannot apply */
  mayFail: boolean;
}

export function isAcknowledged({ answer }: Write): boolean {
  return answer !== undefined && answer.status >= 200 && answer.status < 300;
}

/** The server has said that it recorded nothing. */
export function isRefused({ answer }: Write): boolean {
  const body = answer?.body as { readonly recorded?: unknown } | undefined;
  return answer !== undefined && answer.status >= 400 && body?.recorded !== null && answer.status !== 500;
}

/** Whether Redis held it when it was acknowledged. */
export function isHeld({ answer }: Write): boolean {
  return syncOf(answer)?.stored_in !== 'sqs';
}

function syncOf(answer: HttpAnswer | undefined): Readonly<Record<string, unknown>> | undefined {
  return (answer?.body as { readonly sync?: Readonly<Record<string, unknown>> } | undefined)?.sync;
}

/** Whether Redis held it when it was acknowledged, and knew the record. */
export function isVerified({ answer }: Write): boolean {
  const sync = syncOf(answer);
  return answer?.status !== 202 && sync?.stored_in !== 'sqs' && sync?.verified !== false;
}

/** The status that a finish gives. */
export function finalStatus({ body: { status } }: Write): string {
  return typeof status === 'string' ? status : 'completed';
}

export class Ledger {
  readonly writes: Write[] = [];
  /** units of which more is not known than that nothing gets lost: others have changed them, or stores have lost their order */
  readonly loose = new Set<string>();
  /** asked, and not answered: of one that never is nobody can say what it has done */
  readonly unanswered = new Set<Write>();
  /** units that another program has changed at main */
  readonly byHand = new Set<string>();
  /** virtual ms of events after which the site may have forgotten what it had acknowledged */
  readonly redisLosses: number[] = [];
  readonly mainLosses: number[] = [];
  /** ids of transactions of which a copy was in the queue */
  readonly queued = new Set<string>();
  /** transaction id → its stored form, as it was sent to the queue or to main */
  readonly stored = new Map<string, StoredTransaction>();

  of(unit: string): Write[] {
    return this.writes.filter((write) => write.unit === unit);
  }

  get units(): string[] {
    return [...new Set(this.writes.map(({ unit }) => unit))];
  }

  /** Whether the stores may have lost it for good: what was promised does not cover that. */
  mayBeLost({ transaction, askedAt }: Write): boolean {
    const isLater = (at: number) => at >= askedAt;
    const lostByRedis = this.redisLosses.some(isLater);
    const hadCopy = transaction !== undefined && this.queued.has(transaction);
    return lostByRedis && (!hadCopy || this.mainLosses.some(isLater));
  }

  /** A record may be there whose id nobody was told. */
  get hasUnnamed(): boolean {
    return this.writes.some(({ unit }) => unit.startsWith('unnamed'));
  }

  /** Redis has lost nothing so far. */
  get hasKeptAll(): boolean {
    return this.redisLosses.length === 0;
  }

  /** Redis has lost something, perhaps of every record that there is. */
  loseRedis(now: number): void {
    this.redisLosses.push(now);
    for (const unit of this.units) this.loose.add(unit);
  }
}

export interface StoredStep {
  readonly kind: string;
  readonly table?: string;
  readonly id?: string;
  readonly values?: Readonly<Record<string, unknown>>;
  readonly rows?: readonly { readonly id: string; readonly values: Readonly<Record<string, unknown>> }[];
  readonly transaction?: string;
}

export interface StoredTransaction {
  readonly id: string;
  readonly stamp: number;
  readonly aggregate: string;
  readonly steps: readonly StoredStep[];
}
