/** Turns a start or finish into a transaction and the fields of its answer. Pure. */
import { TransactionBuilder } from '../transaction/builder.ts';
import type { Transaction } from '../transaction/transaction.ts';
import type { Instant } from '../values/instant.ts';
import type { FinishBody, StartBody } from './executed-obs-unit.ts';

export interface Draft {
  readonly transaction: Transaction;
  /** JSON of the fields that the answer shows over the known record */
  readonly patch: string;
  /** HTTP status of the answer if the site knows the record */
  readonly status: number;
  /** URL of the record; absent if the transaction changes an existing record */
  readonly location?: string;
}
type Heading = Omit<Transaction, 'version' | 'steps' | 'aggregate'>;

/** @param id of the executed unit; @param now the accept clock */
export function draftStart(body: StartBody, id: string, heading: Heading, now: Instant): Draft {
  const start = body.start_time?.instant ?? now;
  const filled = body.start_time === undefined ? ['start_time'] : [];
  const values = {
    obs_unit_id: body.obs_unit_id,
    status: 'running',
    start_time: start,
    end_time: null,
    ...(body.start_time?.isLeapSecond && { leap_second: true }),
    instrument_module_ids: body.instrument_module_ids ?? [],
    metadata: body.metadata ?? {},
  };
  const builder = new TransactionBuilder({ ...heading, aggregate: id }, () => id);
  builder.create('executed_obs_unit', values, id, filled);
  return {
    transaction: builder.build(),
    patch: JSON.stringify({ id, ...values, transaction_id: heading.id }),
    status: 201,
    location: `/executed_obs_units/${id}`,
  };
}

/** @param now the accept clock, or the start of the unit if that is later */
export function draftFinish(body: FinishBody, id: string, heading: Heading, now: Instant): Draft {
  const { status, metadata } = body;
  const end = body.end_time?.instant ?? now;
  const filled = body.end_time === undefined ? ['end_time'] : [];
  const values = {
    status,
    end_time: end,
    ...(body.end_time?.isLeapSecond && { leap_second: true }),
    ...(metadata && { metadata }),
  };
  const given = [
    'status',
    ...(body.end_time === undefined ? [] : ['end_time']),
    ...(metadata ? ['metadata'] : []),
  ];
  const builder = new TransactionBuilder({ ...heading, aggregate: id }, () => id);
  builder.update('executed_obs_unit', id, values, { onlyIf: { status: 'running' }, given, filled });
  return {
    transaction: builder.build(),
    patch: JSON.stringify({ id, ...values, transaction_id: heading.id }),
    status: 200,
  };
}
