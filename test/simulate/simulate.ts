/** Runs histories one after the other, and tells the story of each that breaks a rule. */
import { createHash } from 'node:crypto';
import { realNow } from './engine/clock.ts';
import { startMachine, type Machine } from './machine.ts';
import { drawPlan } from './plan/draw.ts';
import { runHistory } from './run.ts';
import { storyOf } from './story.ts';
import { shrink } from './shrink.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly histories: number;
  /** stops after so many */
  readonly violations: number;
  readonly trace: boolean;
  /** leaves the story as long as it is */
  readonly quick: boolean;
  readonly tell: (line: string) => void;
}

export interface Found {
  readonly seed: number;
  readonly rule: string;
  readonly story: readonly string[];
}

export interface Summary {
  readonly from: number;
  readonly histories: number;
  readonly perSecond: number;
  /** of everything that happened: the same for the same seeds */
  readonly trace: string;
  readonly violations: readonly Found[];
}

/** Dead rows slow every statement down. */
const vacuumEvery = 200;

export async function simulate(options: SimulationOptions): Promise<Summary> {
  const machine = await startMachine();
  try {
    return await run(machine, options);
  } finally {
    await machine.stop();
  }
}

async function run(
  machine: Machine,
  { seed, histories, violations: most, trace, quick, tell }: SimulationOptions,
): Promise<Summary> {
  const began = realNow();
  const violations: Found[] = [];
  const hash = createHash('sha256');
  let done = 0;
  for (; done < histories && violations.length < most; done += 1) {
    const plan = drawPlan(seed + done, machine.vocabulary);
    const outcome = await runHistory(machine, plan, { keepsLines: trace });
    hash.update(outcome.trace);
    if (trace) for (const line of [...outcome.lines, `trace ${outcome.trace}`]) tell(line);
    if (outcome.violation) {
      const broken = { plan, violation: outcome.violation };
      const shortest = quick ? broken : await shrink(machine, plan, outcome.violation);
      const story = storyOf(shortest.plan, shortest.violation);
      for (const line of story) tell(line);
      violations.push({ seed: plan.seed, rule: outcome.violation.rule, story });
    }
    if (done % vacuumEvery === vacuumEvery - 1) await machine.vacuum();
  }
  const perSecond = Math.round((done / (realNow() - began)) * 10_000) / 10;
  return { from: seed, histories: done, perSecond, trace: hash.digest('hex').slice(0, 16), violations };
}
