/** Transactions as the accept function builds them. */
import { randomUUID } from 'node:crypto';
import { TransactionBuilder } from '../../lib/transaction/builder.ts';
import type { Transaction } from '../../lib/transaction/transaction.ts';
import type { Json } from '../../lib/values/json.ts';

let clock = 1_900_000_000_000_000;

/** @returns a stamp (µs) greater than all before */
export function nextStamp(): number {
  return (clock += 1000);
}

export function builder(aggregate: string, stamp = nextStamp()): TransactionBuilder {
  const heading = { id: randomUUID(), stamp, aggregate, principal: '1', operation: 'test' };
  return new TransactionBuilder(heading, randomUUID);
}

export interface Start {
  readonly obsUnitId?: number;
  readonly status?: string;
  readonly startTime?: string | null;
  readonly metadata?: Json;
  readonly stamp?: number;
}

export function start(
  aggregate: string,
  {
    obsUnitId = 7,
    status = 'running',
    startTime = '2026-10-01T00:00:00.000Z',
    metadata = { a: 1 },
    stamp,
  }: Start = {},
): Transaction {
  const made = builder(aggregate, stamp);
  const values = { obs_unit_id: obsUnitId, status, start_time: startTime, metadata };
  made.create('executed_obs_unit', values, aggregate);
  return made.build();
}

export function finish(
  aggregate: string,
  status = 'completed',
  stamp?: number,
  values: Readonly<Record<string, Json>> = { end_time: '2026-10-01T00:10:00.000Z', metadata: { b: 2 } },
): Transaction {
  return builder(aggregate, stamp)
    .update(
      'executed_obs_unit',
      aggregate,
      { status, ...values },
      { onlyIf: { status: 'running' }, given: ['status'] },
    )
    .build();
}
