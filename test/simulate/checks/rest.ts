/** What must hold once everything has come to rest. */
import type { Databases } from '../world/databases.ts';
import { isAcknowledged, isRefused, isVerified, type Ledger, type StoredTransaction } from './ledger.ts';
import { must } from './violation.ts';

export interface InboxRow {
  readonly id: string;
  readonly aggregate: string;
  readonly stamp: number;
  readonly outcome: string;
  readonly reason: string | null;
}

/** Every transaction has one outcome, and the rows are what those that were applied make of them, in the order of their stamps. */
export async function checkMain(ledger: Ledger, databases: Databases): Promise<readonly InboxRow[]> {
  const inbox = await databases.ask<InboxRow>(
    'select transaction_id::text as id, aggregate_id::text as aggregate, stamp::float8 as stamp, outcome, reason from inbox',
  );
  const outcomes = new Map(inbox.map((row) => [row.id, row]));
  for (const write of ledger.writes) {
    const { transaction, event, unit } = write;
    if (transaction === undefined) continue;
    const row = outcomes.get(transaction);
    if (isRefused(write)) {
      // a repeat is refused under the transaction of the first
      const isAnothers = ledger.writes.some((each) => each !== write && each.transaction === transaction);
      must(
        row === undefined || isAnothers,
        'refused and recorded',
        () => `event ${event} was refused, and main has it`,
      );
    }
    if (!isAcknowledged(write) || ledger.mayBeLost(write)) continue;
    must(
      row !== undefined,
      'no outcome',
      () => `event ${event} was acknowledged, and main has nothing of it`,
    );
    const isSure = isVerified(write) && !write.mayFail && !ledger.loose.has(unit) && ledger.hasKeptAll;
    if (isSure) {
      must(
        row.outcome === 'applied',
        'no effect',
        () => `event ${event} was acknowledged, and is ${row.outcome}: ${row.reason}`,
      );
    }
  }
  await checkRows(ledger, databases, inbox);
  return inbox;
}

interface UnitRow {
  readonly id: string;
  readonly obs_unit_id: number;
  readonly status: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

async function checkRows(ledger: Ledger, databases: Databases, inbox: readonly InboxRow[]): Promise<void> {
  const rows = await databases.ask<UnitRow>(
    'select id::text, obs_unit_id, status, metadata from executed_obs_unit',
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  const applied = new Set(inbox.filter(({ outcome }) => outcome === 'applied').map(({ id }) => id));
  for (const unit of ledger.units) {
    if (ledger.byHand.has(unit)) continue;
    const known = [...ledger.stored.values()].filter(
      ({ id, aggregate }) => aggregate === unit && applied.has(id),
    );
    const expected = naiveUnit(unit, known);
    const found = byId.get(unit);
    must(
      (found !== undefined) === (expected !== undefined),
      'row',
      () => `main has ${found ? 'a' : 'no'} row ${unit}`,
    );
    if (!found || !expected) continue;
    must(
      found.obs_unit_id === expected.obs_unit_id,
      'row',
      () => `${unit} is of ${found.obs_unit_id} at main`,
    );
    if (expected.status !== undefined) {
      must(
        found.status === expected.status,
        'row',
        () => `${unit} is ${found.status} at main, not ${String(expected.status)}`,
      );
    }
    for (const [key, value] of Object.entries(expected.metadata)) {
      must(
        JSON.stringify(found.metadata[key]) === JSON.stringify(value),
        'row',
        () => `${unit} has another ${key} at main`,
      );
    }
    must(
      Object.keys(found.metadata).length === Object.keys(expected.metadata).length,
      'row',
      () => `${unit} has other keys at main`,
    );
  }
}

/** A unit as its transactions make it, one after the other. `status` undefined: several have set it, and the order of arrival counts. */
function naiveUnit(unit: string, transactions: readonly StoredTransaction[]) {
  const isStart = ({ steps }: StoredTransaction) =>
    steps.some(({ kind, id }) => kind === 'create' && id === unit);
  const inOrder = [...transactions].sort(
    (a, b) => Number(isStart(b)) - Number(isStart(a)) || a.stamp - b.stamp,
  );
  let row: { obs_unit_id: unknown; status: unknown; metadata: Record<string, unknown> } | undefined;
  let changes = 0;
  for (const { steps } of inOrder) {
    for (const { kind, table, id, values = {} } of steps) {
      if (table !== 'executed_obs_unit' || id !== unit) continue;
      if (kind === 'create')
        row ??= {
          obs_unit_id: values.obs_unit_id,
          status: values.status,
          metadata: { ...objectOf(values.metadata) },
        };
      if (kind === 'delete') row = undefined;
      if (kind !== 'update' || !row) continue;
      if (values.status !== undefined && (changes += 1) >= 1) row.status = values.status;
      Object.assign(row.metadata, objectOf(values.metadata));
    }
  }
  return row && { ...row, status: changes > 1 ? undefined : row.status };
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
