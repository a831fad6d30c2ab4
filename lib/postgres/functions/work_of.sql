-- The transactions that a call executes, in order: new ones of the batch, and parked ones of the touched aggregates if all their aggregates
-- are locked. `is_held`: only an admin's retry resumes it, and later ones of its aggregates wait.
create function work_of(batch jsonb, touched uuid[], locked uuid[]) returns jsonb[] language sql stable
return in_order(array(
  select t
  from (
    -- of two copies, take the one whose values the client's answer contained
    (select distinct on (t ->> 'id') t from jsonb_array_elements(batch) t
    where not exists (select from inbox where transaction_id = (t ->> 'id')::uuid)
    order by t ->> 'id', coalesce(t -> 'provisional' = 'true', false), (t ->> 'stamp')::bigint)
    union all
    select jsonb_build_object('id', transaction_id, 'is_recorded', true, 'stamp', stamp, 'aggregate', aggregate_id,
      'operation', operation, 'principal', principal, 'record_ids', to_jsonb(record_ids), 'steps', coalesce(steps, '[]'),
      'site', site, 'request_id', request_id, 'group', group_id, 'aggregates', to_jsonb(aggregates),
      -- the row that it waits for, but not the mark for an admin's retry
      'waits_for', case when parked_for <> 'failed' and waits_for <> 'retry' then waits_for end,
      'is_held', steps is null or waits_for is not distinct from 'retry')
    from inbox
    -- `touched` includes every aggregate of what is parked in one of them
    where outcome = 'parked' and aggregate_id = any (touched) and (aggregates is null or aggregates <@ locked)
  ) everything));
