/** Transactions that main cannot apply and messages that cannot be read: each must get an outcome and block nothing. Pure. */
import { transactionMessage } from '../../../lib/queue/messages.ts';
import type { Transaction } from '../../../lib/transaction/transaction.ts';

/** Values that the API refuses today, but that an older or defective release may have accepted. */
const poisonSteps = {
  timeThatDoesNotCast: { start_time: 'not a time' },
  timeBeyondTheCalendar: { start_time: '+010000-01-01T03:59:00.000Z' },
  statusOfNoRow: { status: 'unheard-of' },
  unknownColumn: { no_such_column: 1 },
  numberBeyondTheColumn: { obs_unit_id: 2 ** 40 },
  textInsteadOfList: { instrument_module_ids: 'seven' },
  unknownPlannedUnit: { obs_unit_id: 999_999 },
  nulCharacter: { metadata: { text: 'x\u0000y' } },
  halfASurrogatePair: { metadata: { text: 'x\ud800y' } },
  manyKeys: { metadata: Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`key ${n}`, n])) },
} as const;

export type PoisonKind = keyof typeof poisonSteps;
export const poisonKinds = Object.keys(poisonSteps) as PoisonKind[];

/** A start with a fault. @param id of the transaction @param unit that it starts */
export function poison(kind: PoisonKind, id: string, unit: string, nowMilliseconds: number): Transaction {
  const values = {
    obs_unit_id: 7,
    status: 'running',
    start_time: new Date(nowMilliseconds).toISOString(),
    ...poisonSteps[kind],
  };
  return {
    version: 1,
    id,
    stamp: nowMilliseconds * 1000,
    aggregate: unit,
    principal: '1',
    operation: `poison: ${kind}`,
    steps: [{ kind: 'create', table: 'executed_obs_unit', id: unit, values }],
  };
}

/** Messages that this release cannot read. @param id makes each one different */
export function unreadableMessages(id: string): string[] {
  const good = poison('statusOfNoRow', id, id, 0);
  return [
    `not JSON at all ${id}`,
    JSON.stringify({ kind: 'transaction', transaction: { ...good, version: 99 } }),
    JSON.stringify({ kind: 'unheard-of', transaction: good }),
    transactionMessage({ ...good, aggregate: 'not a UUID' }),
  ];
}
