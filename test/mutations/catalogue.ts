/** Every mutation, by the part that it changes. */
import type { Mutation } from './mutation.ts';
import { liveMutations } from './catalogue/live.ts';
import { stateCountMutations } from './catalogue/state-counts.ts';
import { valueMutations } from './catalogue/values.ts';

export const catalogue: readonly Mutation[] = [...liveMutations, ...stateCountMutations, ...valueMutations];
