-- What a call executes, in order: what is new, and what is parked of the aggregates that it touches. A start comes before what
-- needs it, then as they were accepted. `is_held`: only a person takes it up again, and the later ones wait behind it.
create function work_of(batch jsonb, touched uuid[]) returns jsonb[] language sql stable
return coalesce((
  select array_agg(t order by not is_start(t), (t ->> 'stamp')::bigint, t ->> 'id')
  from (
    -- of two copies the one that was answered as it stands
    (select distinct on (t ->> 'id') t from jsonb_array_elements(batch) t
    where not exists (select from inbox where transaction_id = (t ->> 'id')::uuid)
    order by t ->> 'id', coalesce(t -> 'provisional' = 'true', false), (t ->> 'stamp')::bigint)
    union all
    select jsonb_build_object('id', transaction_id, 'is_recorded', true, 'stamp', stamp, 'aggregate', aggregate_id,
      'operation', operation, 'principal', principal, 'record_ids', to_jsonb(record_ids), 'steps', coalesce(steps, '[]'),
      'site', site, 'request_id', request_id, 'group', group_id, 'aggregates', to_jsonb(aggregates),
      'is_held', steps is null or waits_for is not distinct from 'retry')
    from inbox where outcome = 'parked' and aggregate_id = any (touched)
  ) everything), '{}');
