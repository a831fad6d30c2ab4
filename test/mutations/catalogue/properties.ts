/** Mutations for the property of mixtures. (Tests with a whole stack do not run in a copy of the tree.) */
import type { Mutation } from '../mutation.ts';

export const propertyMutations: readonly Mutation[] = [
  {
    id: 'property-cancelled-is-away',
    file: 'lib/transaction/failure.ts',
    replace: "{ sqlState: '57014', subject: 'work'",
    by: "{ sqlState: '57014', subject: 'connection'",
    test: 'properties/mixtures.test.ts',
  },
  {
    id: 'property-lock-is-away',
    file: 'lib/transaction/failure.ts',
    replace: "{ sqlState: '55P03', subject: 'lock'",
    by: "{ sqlState: '55P03', subject: 'connection'",
    test: 'properties/mixtures.test.ts',
  },
];
