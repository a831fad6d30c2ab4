/**
 * fast-check with a seed. The gate always uses the same seed, so that a result depends only on the change;
 * `npm run test:nightly` uses another one each night. `PROPERTY_SEED=… PROPERTY_PATH=… npx vitest run <file>` replays a
 * failure, and `PROPERTY_SCALE=20` runs twenty times as many cases.
 */
// eslint-disable-next-line no-restricted-imports -- the one place that sets the seed
import fc from 'fast-check';
import { propertyScale } from './property-scale.ts';

const { PROPERTY_SEED = '20261125', PROPERTY_PATH } = process.env;

fc.configureGlobal({
  seed: Number(PROPERTY_SEED),
  ...(PROPERTY_PATH !== undefined && { path: PROPERTY_PATH }),
  // a case that hangs fails
  timeout: 30_000,
  // limits the runs on a slow machine, and ends shrinking before the test times out, so that its result is printed
  interruptAfterTimeLimit: 90_000 * propertyScale,
});

export { fc };

/** The scaled number of runs. @param count number of runs in the gate */
export const times = (count: number): { readonly numRuns: number } => ({ numRuns: count * propertyScale });
