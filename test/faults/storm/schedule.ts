/** A seeded schedule of faults: the same seed gives the same storm. Pure. */

/** The relative frequency of each fault and its maximal duration (ms; 0 = momentary). */
const kinds = {
  killAccept: { weight: 3, lasts: 0 },
  killApply: { weight: 5, lasts: 0 },
  killConfirm: { weight: 2, lasts: 0 },
  killSweep: { weight: 1, lasts: 0 },
  pauseApply: { weight: 3, lasts: 6000 },
  killRedis: { weight: 2, lasts: 800 },
  rollBackRedis: { weight: 2, lasts: 800 },
  pauseRedis: { weight: 2, lasts: 1500 },
  pauseSqs: { weight: 3, lasts: 2000 },
  killMain: { weight: 2, lasts: 1000 },
  killReplica: { weight: 2, lasts: 1000 },
  cutLink: { weight: 4, lasts: 4000 },
  slowLink: { weight: 2, lasts: 3000 },
  hangReplica: { weight: 2, lasts: 3000 },
  fillRedis: { weight: 2, lasts: 1000 },
  mainReadOnly: { weight: 2, lasts: 2000 },
  repeatMessages: { weight: 6, lasts: 0 },
  poison: { weight: 6, lasts: 0 },
  unreadableMessages: { weight: 2, lasts: 0 },
  plainSql: { weight: 4, lasts: 0 },
} as const;

export type FaultKind = keyof typeof kinds;

export interface Fault {
  readonly atMilliseconds: number;
  readonly kind: FaultKind;
  readonly lastsMilliseconds: number;
  /** in [0, 1), for the choices of the fault */
  readonly chance: number;
}

/** A generator of numbers in [0, 1) (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The faults of a storm of `seconds`, one every 0.6 s on average. */
export function faultSchedule(seed: number, seconds: number): Fault[] {
  const next = seeded(seed);
  const entries = Object.entries(kinds) as [FaultKind, { weight: number; lasts: number }][];
  const total = entries.reduce((sum, [, { weight }]) => sum + weight, 0);
  const faults: Fault[] = [];
  for (let at = 500; at < seconds * 1000; at += 200 + next() * 800) {
    let left = next() * total;
    const [kind, { lasts }] = entries.find(([, { weight }]) => (left -= weight) < 0) ?? [
      'killApply' as const,
      kinds.killApply,
    ];
    faults.push({
      atMilliseconds: Math.round(at),
      kind,
      lastsMilliseconds: Math.round(lasts * (0.3 + 0.7 * next())),
      chance: next(),
    });
  }
  return faults;
}
