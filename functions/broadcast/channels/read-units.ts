/** Executed units as a live message may show them: nothing that could not be seen is taken for absent, or for still running. */
import { readOverlay } from '../../../lib/buffer/overlay.ts';
import type { ExecutedObsUnit } from '../../../lib/observation/executed-obs-unit.ts';
import { readExecutedObsUnits } from '../../../lib/smart-query/executed-obs-units.ts';
import type { SmartQueryParts } from '../../../lib/smart-query/snapshot.ts';
import type { Step } from '../../../lib/transaction/transaction.ts';

export interface SeenUnits {
  readonly records: ReadonlyMap<string, ExecutedObsUnit>;
  /** ids of which nothing can be shown now: no replica answers, and the buffer does not have all of it */
  readonly unknown: ReadonlySet<string>;
}

export async function readUnits(parts: SmartQueryParts, ids: readonly string[]): Promise<SeenUnits> {
  const { records: found, unseen } = await readExecutedObsUnits(parts, ids);
  if (unseen.length === 0) return { records: found, unknown: new Set() };
  const whole = await wholeInBuffer(parts, ids);
  const shown = [...found].filter(([id]) => whole.has(id));
  const records = new Map(shown);
  return { records, unknown: new Set(ids.filter((id) => !records.has(id))) };
}

/**
 * Units whose status the buffer alone tells: their start or their end is still in it. Of any other one a later step may have been
 * recorded and cleaned already.
 */
export async function wholeInBuffer(
  parts: SmartQueryParts,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const { entries } = await readOverlay(parts, ids);
  return new Set(entries.flatMap(({ transaction: { steps } }) => steps.flatMap(tellsStatusOf)));
}

function tellsStatusOf(step: Step): string[] {
  if (step.kind !== 'create' && step.kind !== 'update') return [];
  return step.table === 'executed_obs_unit' && step.values.status !== undefined ? [step.id] : [];
}
