/** What a start and a finish become: a transaction, and what the answer says of the record. Pure. */
import type { AcceptRequest } from '../buffer/accept.ts';
import { TransactionBuilder } from '../transaction/builder.ts';
import { canonicalJson } from '../transaction/canonical.ts';
import type { Transaction } from '../transaction/transaction.ts';
import type { Instant } from '../values/instant.ts';
import type { FinishBody, StartBody } from './executed-obs-unit.ts';

export type Draft = Pick<AcceptRequest, 'transaction' | 'patch' | 'status' | 'start' | 'finish'>;
type Heading = Omit<Transaction, 'version' | 'steps' | 'aggregate'>;

/** @param id of the executed unit; @param now the accept clock */
export function draftStart(body: StartBody, id: string, heading: Heading, now: Instant): Draft {
  const values = {
    obs_unit_id: body.obs_unit_id,
    status: 'running',
    start_time: body.start_time ?? now,
    end_time: null,
    instrument_module_ids: body.instrument_module_ids ?? [],
    metadata: body.metadata ?? {},
  };
  const builder = new TransactionBuilder({ ...heading, aggregate: id }, () => id);
  builder.create('executed_obs_unit', values, id);
  return {
    transaction: builder.build(),
    patch: JSON.stringify({ id, ...values, transaction_id: heading.id }),
    status: 201,
    start: { obs_unit_id: values.obs_unit_id, start_ms: Date.parse(values.start_time) },
  };
}

export function draftFinish(body: FinishBody, id: string, heading: Heading, now: Instant): Draft {
  const { status, metadata } = body;
  const values = { status, end_time: body.end_time ?? now, ...(metadata && { metadata }) };
  const given = [
    'status',
    ...(body.end_time === undefined ? [] : ['end_time']),
    ...(metadata ? ['metadata'] : []),
  ];
  const builder = new TransactionBuilder({ ...heading, aggregate: id }, () => id);
  builder.update('executed_obs_unit', id, values, { onlyIf: { status: 'running' }, given });
  return {
    transaction: builder.build(),
    patch: JSON.stringify({ id, ...values, transaction_id: heading.id }),
    status: 200,
    finish: {
      status,
      end_time: values.end_time,
      given_end_time: body.end_time ?? '',
      given_metadata: metadata ? canonicalJson(metadata) : '',
    },
  };
}
