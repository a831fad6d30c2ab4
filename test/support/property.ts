/**
 * fast-check with the seed of this run. The gate always takes the same seed, so that a change passes or fails by its own
 * doing; `npm run test:nightly` takes another one each night. `PROPERTY_SEED=… PROPERTY_PATH=… npx vitest run <file>` replays
 * a failure, and `PROPERTY_SCALE=20` makes twenty times as many runs.
 */
// eslint-disable-next-line no-restricted-imports -- the one place that sets the seed
import fc from 'fast-check';
import { propertyScale } from './property-scale.ts';

const { PROPERTY_SEED = '20261125', PROPERTY_PATH } = process.env;

fc.configureGlobal({
  seed: Number(PROPERTY_SEED),
  ...(PROPERTY_PATH !== undefined && { path: PROPERTY_PATH }),
  // one run that hangs is a failure
  timeout: 30_000,
  // fewer runs on a slow machine; and shrinking ends before the test does, which then prints what it has found
  interruptAfterTimeLimit: 90_000 * propertyScale,
});

export { fc };

/** How many runs a property makes that makes `count` in the gate. */
export const times = (count: number): { readonly numRuns: number } => ({ numRuns: count * propertyScale });
