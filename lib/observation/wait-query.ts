import * as z from 'zod/mini';
import { wholeNumberText } from '../values/integer.ts';

/** Below API Gateway's time-out of 29 s. */
const maxWaitSeconds = 25;

/** Query parameters of a read that can wait. */
export const waitQuery = {
  wait: z.optional(
    z
      .enum(['committed', 'replicated'])
      .check(z.describe('Waits until this state, a final state or the timeout is reached.')),
  ),
  timeout: z.optional(
    wholeNumberText(0, maxWaitSeconds).check(z.describe('Seconds to wait, 10 by default.')),
  ),
};
