/** What becomes of the connections of an instance while it is frozen. */
import { limits } from '../../limits.ts';

/**
 * - reset: the next bytes that are sent are answered by a reset
 * - vanished: nothing is ever answered
 */
export type Fate = 'reset' | 'vanished';

export interface FreezeRules {
  /** of an instance that was frozen for at least as long, connections are lost */
  readonly loseAfterMilliseconds: number;
  /** what becomes of them, in turn */
  readonly fates: readonly Fate[];
}

/** A NAT gateway resets what it has forgotten; a peer that is not there any more, or a firewall, says nothing. */
export const defaultFreeze: FreezeRules = {
  loseAfterMilliseconds: limits.idleConnectionSeconds.value * 1000,
  fates: ['reset', 'vanished'],
};

/** @param losses how often connections were lost before @returns undefined: they are as they were */
export function fateOf(rules: FreezeRules, frozenMilliseconds: number, losses: number): Fate | undefined {
  if (frozenMilliseconds < rules.loseAfterMilliseconds) return undefined;
  return rules.fates[losses % rules.fates.length];
}
