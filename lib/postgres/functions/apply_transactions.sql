-- Applies a batch of transactions (JSON array of their stored form, with `record_ids`) in one commit, each exactly once.
--
-- A transaction that cannot be applied is set aside alone. Obstacles that `judge` foresees cost nothing. A data error rolls back its
-- block; the transactions before it are then applied again in a block that ends with the failed one, which is skipped. A call opens
-- at most 61 blocks, since more than 64 subtransactions slow every snapshot on the replicas. `is_partial` means that work is left.
-- Any other error fails the call, and no transaction is set aside. The same data error in three aggregates without a success of that
-- shape, in this call or in `seen` ({signature: [aggregate, …]}), is a fault of main: these transactions are not recorded.
--
-- Returns {rows, failures, succeeded, is_partial}: inbox rows of the recorded transactions of the batch and of others whose outcome
-- has changed, data errors, and shapes of applied transactions.
create function apply_transactions(batch jsonb, start_wait_seconds integer, seen jsonb default '{}') returns jsonb
language plpgsql set search_path from current as $$
declare
  most_awaited constant integer := 100;
  several constant integer := 3;
  awaited uuid[];
  locked uuid[];
  touched uuid[];
  call_started timestamptz;
  refusal text;
  tx jsonb;
  mine uuid[];
  all_work jsonb[];
  work jsonb[];
  first integer := 1;
  last integer;
  at integer;
  blocks integer := 0;
  forced_at integer := 0;
  forced jsonb;
  verdict jsonb;
  state text;
  in_schema text;
  in_table text;
  in_column text;
  in_constraint text;
  detail text;
  blocked uuid[] := '{}';
  blocked_before uuid[];
  passed_over jsonb[] := '{}';
  passed_over_before jsonb[];
  shapes text[] := '{}';
  shapes_before text[];
  faults text[];
  left_out uuid[] := '{}';
  each jsonb;
  late uuid[];
begin
  perform set_config('ops.processor', 'on', true);
  -- a violated deferred constraint must fail its transaction, not the commit
  set constraints all immediate;
  awaited := awaited_aggregates(most_awaited);
  locked := involved_aggregates(awaited || array(
    select distinct unnest(aggregates_of(t)) from jsonb_array_elements(batch) t));
  perform lock_aggregates(locked);
  call_started := clock_timestamp();

  -- aggregates with new transactions, or with waiting ones that can now be applied
  touched := involved_aggregates(awaited || array(
    select distinct unnest(aggregates_of(t)) from jsonb_array_elements(batch) t
    where not exists (select from inbox where transaction_id = (t ->> 'id')::uuid)));

  for tx in
    select t from jsonb_array_elements(batch) t
    where is_decision(t) and not exists (select from inbox where transaction_id = (t ->> 'id')::uuid)
    order by (t ->> 'stamp')::bigint
  loop
    refusal := decide(tx, batch);
    perform record_outcomes(array[tx], array[case when refusal is null then '{"outcome": "applied"}'::jsonb
      else jsonb_build_object('outcome', 'refused', 'reason', refusal) end]);
  end loop;

  work := work_of(batch, touched, locked);
  all_work := work;
  begin
    -- starts, then the transactions after them
    for round in 1..2 loop
      select * into work, shapes from apply_plain(work, shapes);
    end loop;
  exception when others then
    get stacked diagnostics state = returned_sqlstate, in_schema = schema_name, in_table = table_name;
    if not is_data_error(state, in_schema, in_table) then raise; end if;
    -- one of them fails: find it one by one
    work := all_work;
    shapes := '{}';
  end;
  last := cardinality(work);
  while first <= last and blocks < 60 loop
    blocks := blocks + 1;
    blocked_before := blocked;
    passed_over_before := passed_over;
    shapes_before := shapes;
    begin
      at := first;
      while at <= last loop
        tx := work[at];
        mine := aggregates_of(tx);
        if at = forced_at then
          verdict := forced;
        elsif tx -> 'is_held' = 'true' then
          verdict := null;
        else
          verdict := judge_repeat(tx);
          if verdict is null and mine && blocked then
            verdict := jsonb_build_object('outcome', 'parked', 'parked_for', 'behind', 'waits_for', tx -> 'waits_for',
              'reason', 'waits behind an earlier transaction');
          elsif verdict is null then
            verdict := judge(tx);
            if verdict is null then
              perform perform_steps(tx);
              verdict := '{"outcome": "applied"}';
              if shape_of(tx) <> all (shapes) then shapes := shapes || shape_of(tx); end if;
            end if;
          end if;
        end if;
        if verdict is null or verdict ->> 'parked_for' in ('failed', 'behind')
          or verdict ->> 'outcome' = 'parked' and holds_others(tx, verdict ->> 'waits_for') then
          blocked := blocked || mine;
        end if;
        if at = forced_at or verdict ->> 'parked_for' = 'behind' then
          passed_over := passed_over || jsonb_build_object('at', at, 'aggregate', tx ->> 'aggregate', 'verdict', verdict);
        elsif verdict is not null then
          perform record_outcomes(array[tx], array[verdict]);
        end if;
        at := at + 1;
        exit when at - 1 = forced_at;
      end loop;
      first := at;
      forced_at := 0;
    exception when others then
      get stacked diagnostics state = returned_sqlstate, in_schema = schema_name, in_table = table_name,
        in_column = column_name, in_constraint = constraint_name, detail = pg_exception_detail;
      if not is_data_error(state, in_schema, in_table) then raise; end if;
      forced_at := at;
      forced := verdict_of_error(state, sqlerrm, detail) || jsonb_build_object('shape', shape_of(tx), 'signature',
        concat_ws(' ', state, nullif(in_constraint, ''), nullif(in_table, ''), nullif(in_column, ''), 'in', shape_of(tx)));
      blocked := blocked_before;
      passed_over := passed_over_before;
      shapes := shapes_before;
    end;
  end loop;

  -- the same failure in several aggregates without a success is a fault of main
  with failed as (
    select p -> 'verdict' ->> 'signature' as signature, p ->> 'aggregate' as aggregate
    from unnest(passed_over) p
    where p -> 'verdict' ? 'signature' and p -> 'verdict' ->> 'shape' <> all (shapes)
  )
  select array(
    select signature from (
      select f.signature, f.aggregate from failed f
      union
      select s.key, jsonb_array_elements_text(s.value) from jsonb_each(seen) s where s.key in (select f.signature from failed f)
    ) known
    group by signature having count(*) >= several)
  into faults;

  foreach each in array passed_over loop
    mine := aggregates_of(work[(each ->> 'at')::integer]);
    -- later transactions of such an aggregate are not recorded either
    if each -> 'verdict' ->> 'signature' = any (faults) or mine && left_out then
      left_out := left_out || mine;
    else
      perform record_outcomes(array[work[(each ->> 'at')::integer]], array[each -> 'verdict']);
    end if;
  end loop;

  with overdue as (
    update inbox set overdue = true, revision = revision + 1, changed_at = clock_timestamp(),
      reason = format('%s; it has waited %s s for it', reason, start_wait_seconds)
    where transaction_id in (
      select transaction_id from inbox
      where outcome = 'parked' and parked_for = 'start' and not inbox.overdue
        and recorded_at < clock_timestamp() - make_interval(secs => start_wait_seconds)
      limit 500 for update skip locked)
    returning transaction_id
  ) select coalesce(array_agg(transaction_id), '{}') into late from overdue;

  -- `jsonb_agg` would take 0.25 s for a row with 10,000 keys in its steps, a hundred times as long as an array
  return jsonb_build_object(
    'rows', coalesce((
      select to_jsonb(array_agg(i)) from inbox i where transaction_id in (
        select (t ->> 'id')::uuid from jsonb_array_elements(batch) t
        union
        select unnest(late)
        union
        select transaction_id from inbox where aggregate_id = any (touched) and changed_at >= call_started
        union
        select transaction_id from inbox i
        where i.aggregates is not null and i.aggregates && touched and changed_at >= call_started)), '[]'),
    'failures', coalesce((
      select jsonb_agg(jsonb_build_object('id', work[(p ->> 'at')::integer] ->> 'id', 'aggregate', p ->> 'aggregate',
        'signature', p -> 'verdict' ->> 'signature', 'shape', p -> 'verdict' ->> 'shape',
        'reason', p -> 'verdict' ->> 'reason', 'is_recorded', p -> 'verdict' ->> 'signature' <> all (faults)))
      from unnest(passed_over) p where p -> 'verdict' ? 'signature'), '[]'),
    'succeeded', to_jsonb(shapes),
    'is_partial', first <= last or cardinality(awaited) >= most_awaited);
end $$;
