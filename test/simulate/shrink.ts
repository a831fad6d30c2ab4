/** Leaves out what a violation does not need: events and faults, one after the other, as long as the same rule is broken. */
import type { Violation } from './checks/violation.ts';
import type { Machine } from './machine.ts';
import type { Plan } from './plan/plan.ts';
import { runHistory } from './run.ts';

export interface Broken {
  readonly plan: Plan;
  readonly violation: Violation;
}

/** of histories that are run for it */
const mostTries = 150;

export async function shrink(machine: Machine, plan: Plan, violation: Violation): Promise<Broken> {
  let best: Broken = { plan, violation };
  let tries = 0;
  const isBetter = async (candidate: Plan): Promise<boolean> => {
    if ((tries += 1) > mostTries) return false;
    const { violation: found } = await runHistory(machine, candidate);
    if (found?.rule !== violation.rule) return false;
    best = { plan: candidate, violation: found };
    return true;
  };
  for (let hasChanged = true; hasChanged && tries < mostTries;) {
    hasChanged = false;
    for (const part of ['faults', 'events'] as const) {
      // from the end: what comes later needs what came before
      for (let index = best.plan[part].length - 1; index >= 0; index -= 1) {
        const rest = best.plan[part].filter((_, each) => each !== index);
        if (await isBetter({ ...best.plan, [part]: rest })) hasChanged = true;
      }
    }
  }
  return best;
}
