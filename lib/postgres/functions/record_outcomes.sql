-- Writes the outcomes of transactions into the inbox. It must not fail for any steps, so it reads the unit and start from them only if
-- they are valid. `revision` counts the changes of an outcome.
create function record_outcomes(transactions jsonb[], verdicts jsonb[]) returns void language plpgsql as $$
begin
  insert into inbox as i (transaction_id, alias, stamp, aggregate_id, operation, principal, record_ids, outcome, parked_for,
      waits_for, reason, steps, raw, obs_unit_id, start_time, site, request_id, group_id, aggregates)
  select (tx ->> 'id')::uuid, (tx ->> 'alias')::uuid, (tx ->> 'stamp')::bigint, aggregate, tx ->> 'operation', tx ->> 'principal',
    array(select value::uuid from jsonb_array_elements_text(tx -> 'record_ids')),
    verdict ->> 'outcome', verdict ->> 'parked_for', verdict ->> 'waits_for', verdict ->> 'reason',
    case when verdict ->> 'outcome' <> 'applied' then tx -> 'steps' end, verdict ->> 'raw',
    case
      when start_values is null then coalesce(made.obs_unit_id, earlier.obs_unit_id)
      when pg_input_is_valid(start_values ->> 'obs_unit_id', 'integer') then (start_values ->> 'obs_unit_id')::integer
    end,
    case
      when start_values is null then coalesce(made.start_time, earlier.start_time)
      when start_values ->> 'start_time' is null then stamp_time((tx ->> 'stamp')::bigint)
      when pg_input_is_valid(start_values ->> 'start_time', 'timestamptz') then (start_values ->> 'start_time')::timestamptz
    end,
    tx ->> 'site', tx ->> 'request_id', (tx ->> 'group')::uuid,
    case jsonb_typeof(tx -> 'aggregates') when 'array' then
      array(select value::uuid from jsonb_array_elements_text(tx -> 'aggregates')) end
  from unnest(transactions, verdicts) as r(tx, verdict)
  cross join lateral (
    select (tx ->> 'aggregate')::uuid as aggregate, jsonb_path_query_first(
      tx, '$.steps[*] ? (@.kind == "create" && @.table == "executed_obs_unit").values') as start_values
    offset 0) heading
  left join lateral (
    select e.obs_unit_id, e.start_time from executed_obs_unit e
    where start_values is null and e.id = aggregate limit 1) made on true
  left join lateral (
    select k.obs_unit_id, k.start_time from inbox k
    where start_values is null and made.start_time is null and k.aggregate_id = aggregate and k.start_time is not null
    order by k.stamp limit 1) earlier on true
  on conflict (transaction_id) do update set
    outcome = excluded.outcome,
    parked_for = excluded.parked_for,
    waits_for = excluded.waits_for,
    overdue = i.overdue and excluded.parked_for is not distinct from 'start',
    reason = case when i.overdue and excluded.parked_for is not distinct from 'start' then i.reason
      else excluded.reason end,
    steps = excluded.steps,
    raw = case when excluded.outcome <> 'applied' then i.raw end,
    obs_unit_id = coalesce(excluded.obs_unit_id, i.obs_unit_id),
    start_time = coalesce(excluded.start_time, i.start_time),
    attempts = i.attempts + 1,
    revision = i.revision + (row(i.outcome, i.parked_for, i.reason)
      is distinct from row(excluded.outcome, excluded.parked_for, excluded.reason))::integer,
    changed_at = clock_timestamp();
end $$;
