import * as z from 'zod/mini';
import type { Of } from '../http/operation.ts';
import { syncStates } from '../transaction/lifecycle.ts';

/** Progress of a record: `buffered` at the site, `committed` on main, `replicated` back to the site. */
export const sync = z.object({
  state: z.enum(syncStates),
  lsn: z.optional(
    z.string().check(z.describe('Commit position of the newest transaction, as Postgres writes it.')),
  ),
  reason: z.optional(z.string().check(z.describe('Why the main database refused it.'))),
  stored_in: z.optional(
    z
      .enum(['redis', 'sqs'])
      .check(z.describe('The only store that acknowledged the write before it was answered.')),
  ),
  verified: z.optional(
    z
      .literal(false)
      .check(z.describe('The site does not know the record: the main database will judge the write.')),
  ),
  unseen: z.optional(
    z
      .literal('replica')
      .check(
        z.describe('No replica answered: the record comes from the buffer alone and may be out of date.'),
      ),
  ),
});

export type Sync = Of<typeof sync>;
