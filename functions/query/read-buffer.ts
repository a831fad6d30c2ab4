import { answer } from '../../lib/http/operation.ts';
import { orUnavailable } from '../../lib/smart-query/or-unavailable.ts';
import { readBufferReport } from '../../lib/smart-query/buffer-report.ts';
import { readBuffer as contract } from '../../lib/status/operations.ts';
import type { QueryParts } from './parts.ts';

export const readBuffer = answer(contract, async ({ receivedAt }, parts: QueryParts) => ({
  status: 200,
  body: await orUnavailable(readBufferReport(parts, receivedAt)),
}));
