/** Every mutation, by the part that it changes. */
import type { Mutation } from './mutation.ts';
import { valueMutations } from './catalogue/values.ts';

export const catalogue: readonly Mutation[] = [...valueMutations];
