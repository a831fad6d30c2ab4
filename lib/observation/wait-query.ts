import * as z from 'zod/mini';
import { wholeNumberText } from '../values/integer.ts';

/** API Gateway waits 29 s. */
const maxWaitSeconds = 25;

/** Query parameters of a read that can wait. */
export const waitQuery = {
  wait: z.optional(
    z
      .enum(['committed', 'replicated'])
      .check(z.describe('Answer only once this state is reached, or a final one, or the time is over.')),
  ),
  timeout: z.optional(
    wholeNumberText(0, maxWaitSeconds).check(z.describe('Seconds to wait, 10 by default.')),
  ),
};
