/** Transfers over HTTP. */
import * as z from 'zod/mini';
import { operation, type Of } from '../http/operation.ts';

export const transferStatuses = ['pending', 'scheduled', 'in_progress', 'completed', 'failed'] as const;
export const packageStates = ['waiting', 'transferring', 'archived', 'failed'] as const;

export const transferOverview = z
  .object({
    total_packages: z.number(),
    active_transfers: z.number(),
    packages: z.record(z.enum(packageStates), z.number()),
    transfers: z.record(z.enum(transferStatuses), z.number()),
  })
  .check(z.meta({ id: 'TransferOverview' }));

export type TransferOverview = Of<typeof transferOverview>;

export const readTransferOverview = operation({
  method: 'GET',
  path: '/api/transfer/overview',
  function: 'query',
  access: 'read:transfers',
  etag: true,
  summary: 'Packages and transfers by state',
  answers: { 200: transferOverview },
  example: {},
});
