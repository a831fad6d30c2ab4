/** Reads executed units for live messages. A unit that cannot be read is never shown as absent or as still running. */
import { readOverlay } from '../../../lib/buffer/overlay.ts';
import type { ExecutedObsUnit } from '../../../lib/observation/executed-obs-unit.ts';
import { readExecutedObsUnits } from '../../../lib/smart-query/executed-obs-units.ts';
import type { SmartQueryParts } from '../../../lib/smart-query/snapshot.ts';
import type { Step } from '../../../lib/transaction/transaction.ts';

export interface UnitsRead {
  readonly records: ReadonlyMap<string, ExecutedObsUnit>;
  /** ids that cannot be shown: no replica answers and the buffer does not contain the whole unit */
  readonly unknown: ReadonlySet<string>;
}

export async function readUnits(parts: SmartQueryParts, ids: readonly string[]): Promise<UnitsRead> {
  const { records: found, unseen } = await readExecutedObsUnits(parts, ids);
  if (unseen.length === 0) return { records: found, unknown: new Set() };
  const whole = await completeInBuffer(parts, ids);
  const shown = [...found].filter(([id]) => whole.has(id));
  const records = new Map(shown);
  return { records, unknown: new Set(ids.filter((id) => !records.has(id))) };
}

/**
 * Units whose status is known from the buffer, because it contains their start or finish. For any other unit, a later step may
 * have been recorded and cleaned already.
 */
export async function completeInBuffer(
  parts: SmartQueryParts,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const { entries } = await readOverlay(parts, ids);
  return new Set(entries.flatMap(({ transaction: { steps } }) => steps.flatMap(unitsWithStatus)));
}

function unitsWithStatus(step: Step): string[] {
  if (step.kind !== 'create' && step.kind !== 'update') return [];
  return step.table === 'executed_obs_unit' && step.values.status !== undefined ? [step.id] : [];
}
