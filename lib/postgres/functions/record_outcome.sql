-- Writes what became of a transaction. It depends on nothing that the transaction holds but its heading: what the steps say
-- about its unit is taken if it is readable. `revision` counts the changes of the outcome.
create function record_outcome(tx jsonb, verdict jsonb) returns void language plpgsql as $$
declare
  outcome constant text := verdict ->> 'outcome';
  start_values constant jsonb := jsonb_path_query_first(
    tx, '$.steps[*] ? (@.kind == "create" && @.table == "executed_obs_unit").values');
  unit integer;
  started timestamptz;
begin
  if start_values is not null then
    if pg_input_is_valid(start_values ->> 'obs_unit_id', 'integer') then unit := start_values ->> 'obs_unit_id'; end if;
    if start_values ->> 'start_time' is null then started := stamp_time((tx ->> 'stamp')::bigint);
    elsif pg_input_is_valid(start_values ->> 'start_time', 'timestamptz') then started := start_values ->> 'start_time';
    end if;
  else
    select obs_unit_id, start_time into unit, started from executed_obs_unit where id = (tx ->> 'aggregate')::uuid;
    if not found then
      select i.obs_unit_id, i.start_time into unit, started from inbox i
      where i.aggregate_id = (tx ->> 'aggregate')::uuid and i.start_time is not null order by i.stamp limit 1;
    end if;
  end if;
  insert into inbox as i (transaction_id, alias, stamp, aggregate_id, operation, principal, record_ids, outcome, parked_for,
      waits_for, reason, steps, raw, obs_unit_id, start_time, site, request_id, group_id, aggregates)
  values ((tx ->> 'id')::uuid, (tx ->> 'alias')::uuid, (tx ->> 'stamp')::bigint, (tx ->> 'aggregate')::uuid,
    tx ->> 'operation', tx ->> 'principal',
    array(select value::uuid from jsonb_array_elements_text(tx -> 'record_ids')),
    outcome, verdict ->> 'parked_for', verdict ->> 'waits_for', verdict ->> 'reason',
    case when outcome <> 'applied' then tx -> 'steps' end, verdict ->> 'raw', unit, started,
    tx ->> 'site', tx ->> 'request_id', (tx ->> 'group')::uuid,
    case jsonb_typeof(tx -> 'aggregates') when 'array' then
      array(select value::uuid from jsonb_array_elements_text(tx -> 'aggregates')) end)
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
