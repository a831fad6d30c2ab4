import type { SyncState } from '../transaction/lifecycle.ts';

/** Where a record is on its way: `buffered` at the site, `committed` on main, `replicated` back at the site. */
export interface Sync {
  readonly state: SyncState;
  /** commit position of the newest transaction, as Postgres writes it */
  readonly lsn?: string;
  /** why main said no */
  readonly reason?: string;
  /** the only store that answered when the write was accepted */
  readonly stored_in?: 'redis' | 'sqs';
  /** false: the site does not know the record, main will judge */
  readonly verified?: false;
  /** what could not be looked at: with every replica away the buffer alone has answered */
  readonly unseen?: 'replica';
}
