import type { AuthenticationParts } from '../../lib/credentials/authenticate.ts';
import type { SmartQueryParts } from '../../lib/smart-query/snapshot.ts';

export interface QueryParts extends SmartQueryParts, AuthenticationParts {
  /** epoch ms */
  readonly now: () => number;
}
