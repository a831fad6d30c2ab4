-- Up Migration

create table inbox (
  transaction_id uuid primary key,
  stamp bigint not null,
  aggregate_id uuid not null,
  operation text not null,
  principal text not null,
  record_ids uuid[] not null default '{}',
  outcome text not null check (outcome in ('applied', 'refused', 'parked', 'discarded')),
  parked_for text check (parked_for in ('start', 'behind', 'failed')),
  overdue boolean not null default false,
  reason text,
  steps jsonb,
  obs_unit_id integer,
  start_time timestamptz,
  attempts integer not null default 1,
  revision integer not null default 1,
  recorded_at timestamptz not null default clock_timestamp(),
  changed_at timestamptz not null default clock_timestamp(),
  check ((outcome = 'parked') = (parked_for is not null)),
  check (outcome <> 'parked' or steps is not null)
);
comment on table inbox is
  'Every transaction that main has recorded, in the same commit as its effect. Steps are kept until they are applied.';
comment on column inbox.stamp is 'accept clock, microseconds since 1970: the order within an aggregate';
comment on column inbox.parked_for is
  'start: what it depends on has not come; behind: an earlier one of its aggregate is parked; failed: it cannot be applied';
comment on column inbox.overdue is 'it has waited for its start for too long and is shown as failed, still parked';
comment on column inbox.revision is 'rises with every change of the outcome: the order of what is said about it';

create index inbox_parked on inbox (aggregate_id, stamp) where outcome = 'parked';
create index inbox_parked_obs_unit on inbox (obs_unit_id, start_time) where outcome = 'parked';
create index inbox_waiting_for_start on inbox (recorded_at)
  where outcome = 'parked' and parked_for = 'start' and not overdue;
create index inbox_set_aside on inbox (stamp, transaction_id) where outcome in ('parked', 'refused', 'discarded');
create index inbox_aggregate on inbox (aggregate_id);

create table tombstone (
  table_name text not null,
  id uuid not null,
  stamp bigint not null,
  deleted_at timestamptz not null default clock_timestamp(),
  primary key (table_name, id)
);
comment on table tombstone is 'Deleted records, so that an older transaction that comes late does not revive one.';

-- Who decided what about a transaction that was set aside.
create table transaction_audit (
  id bigint generated always as identity primary key,
  transaction_id uuid not null,
  decided_by uuid not null,
  action text not null check (action in ('retry', 'discard')),
  principal text not null,
  reason text,
  at timestamptz not null default clock_timestamp(),
  unique (decided_by, transaction_id)
);
comment on column transaction_audit.decided_by is 'the transaction that carried the decision';

-- Rows of `tbl` that others change with plain SQL get the time of the change as the stamp of each changed field, so that
-- an older buffered update does not undo them.
create function stamp_changed_fields() returns trigger language plpgsql as $$
declare
  now_microseconds bigint := extract(epoch from clock_timestamp()) * 1000000;
  before jsonb := to_jsonb(old);
  after jsonb := to_jsonb(new);
begin
  if current_setting('ops.processor', true) = 'on' then return new; end if;
  new.field_stamps := new.field_stamps || coalesce((
    select jsonb_object_agg(field, now_microseconds)
    from (
      select key as field from jsonb_each(after)
      where key not in ('field_stamps', 'updated_at', 'metadata') and value is distinct from before -> key
      union all
      select 'metadata.' || coalesce(a.key, b.key)
      from jsonb_each(coalesce(after -> 'metadata', '{}')) a
        full join jsonb_each(coalesce(before -> 'metadata', '{}')) b using (key)
      where a.value is distinct from b.value
    ) changed), '{}');
  return new;
end $$;

create trigger executed_obs_unit_stamp before update on executed_obs_unit
  for each row execute function stamp_changed_fields();
create trigger raw_data_package_stamp before update on raw_data_package
  for each row execute function stamp_changed_fields();
create trigger raw_data_file_stamp before update on raw_data_file
  for each row execute function stamp_changed_fields();

-- The row of a buffered table as JSON, locked; null if there is none.
create function buffered_row(tbl text, row_id uuid) returns jsonb language plpgsql as $$
declare
  found_row jsonb;
begin
  case tbl
    when 'executed_obs_unit' then
      select to_jsonb(t) into found_row from executed_obs_unit t where id = row_id for update;
    when 'raw_data_package' then
      select to_jsonb(t) into found_row from raw_data_package t where id = row_id for update;
    when 'raw_data_file' then
      select to_jsonb(t) into found_row from raw_data_file t where id = row_id for update;
  end case;
  return found_row;
end $$;

create function insert_row(tbl text, row_id uuid, vals jsonb) returns void language plpgsql as $$
declare
  row_json jsonb := vals || jsonb_build_object('id', row_id);
  columns text;
begin
  select string_agg(quote_ident(key), ', ') into columns from jsonb_object_keys(row_json) as key;
  execute format('insert into %1$I (%2$s) select %2$s from jsonb_populate_record(null::%1$I, $1)', tbl, columns)
    using row_json;
end $$;

-- Last writer wins per field, by stamp; an object merges by its keys.
create function update_row(tbl text, row_id uuid, vals jsonb, stamp bigint, present jsonb) returns void
language plpgsql as $$
declare
  stamps jsonb := present -> 'field_stamps';
  merged jsonb := '{}';
  field text;
  val jsonb;
  part text;
  part_val jsonb;
  columns text;
begin
  for field, val in select * from jsonb_each(vals) loop
    if jsonb_typeof(val) = 'object' then
      for part, part_val in select * from jsonb_each(val) loop
        if stamp > coalesce((stamps ->> (field || '.' || part))::bigint, 0) then
          if not merged ? field then
            merged := merged || jsonb_build_object(field, coalesce(present -> field, '{}'));
          end if;
          merged := jsonb_set(merged, array[field, part], part_val);
          stamps := stamps || jsonb_build_object(field || '.' || part, stamp);
        end if;
      end loop;
    elsif stamp > coalesce((stamps ->> field)::bigint, 0) then
      merged := merged || jsonb_build_object(field, val);
      stamps := stamps || jsonb_build_object(field, stamp);
    end if;
  end loop;
  if merged = '{}' then return; end if;
  merged := merged || jsonb_build_object('field_stamps', stamps, 'updated_at', clock_timestamp());
  select string_agg(quote_ident(key), ', ') into columns from jsonb_object_keys(merged) as key;
  execute format('update %1$I set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$I, $1)) where id = $2',
    tbl, columns) using merged, row_id;
end $$;

-- What can be foreseen of a transaction without touching anything: null if it can be applied, else
-- {outcome, parked_for?, reason}. `nothing_to_do` marks the repeat of a change that is already there.
create function judge(tx jsonb) returns jsonb language plpgsql as $$
declare
  step jsonb;
  made uuid[] := '{}';
  row_id uuid;
  present jsonb;
  unit integer;
  parent uuid;
  failed constant jsonb := '{"outcome": "parked", "parked_for": "failed"}';
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    case step ->> 'kind'
    when 'create' then
      row_id := (step ->> 'id')::uuid;
      if exists (select from tombstone where table_name = step ->> 'table' and id = row_id) then
        return jsonb_build_object('outcome', 'refused', 'reason', format('%s %s was deleted', step ->> 'table', row_id));
      end if;
      if step ->> 'table' = 'executed_obs_unit' then
        unit := (step -> 'values' ->> 'obs_unit_id')::integer;
        if not exists (select from obs_unit where id = unit) then
          return failed || jsonb_build_object('reason', format('planned unit %s is not known to main', unit));
        end if;
      else
        parent := (step -> 'values' ->> 'executed_obs_unit_id')::uuid;
        if parent is not null and parent <> all (made)
          and not exists (select from executed_obs_unit where id = parent) then
          return jsonb_build_object('outcome', 'parked', 'parked_for', 'start',
            'reason', format('executed unit %s has not been started', parent));
        end if;
      end if;
      if buffered_row(step ->> 'table', row_id) is not null then
        return failed || jsonb_build_object('reason', format('%s %s exists already', step ->> 'table', row_id));
      end if;
      made := made || row_id;
    when 'update' then
      row_id := (step ->> 'id')::uuid;
      if row_id = any (made) then continue; end if;
      present := buffered_row(step ->> 'table', row_id);
      if present is null then
        if exists (select from tombstone where table_name = step ->> 'table' and id = row_id) then
          return jsonb_build_object('outcome', 'refused', 'reason', format('%s %s was deleted', step ->> 'table', row_id));
        end if;
        if exists (select from inbox i where i.aggregate_id = (tx ->> 'aggregate')::uuid and i.outcome = 'discarded'
            and row_id = any (i.record_ids) and i.steps @> '[{"kind": "create"}]') then
          return failed || jsonb_build_object('reason', format('the start of %s was discarded', row_id));
        end if;
        return jsonb_build_object('outcome', 'parked', 'parked_for', 'start',
          'reason', format('nothing was started under %s', row_id));
      end if;
      if step ? 'only_if' and not present @> (step -> 'only_if') then
        if (select bool_and(case jsonb_typeof(given.value)
              when 'object' then present -> given.key @> given.value
              else has_value(present -> given.key, given.value) end)
            from jsonb_each(step -> 'values') given
            where step -> 'given' ? given.key) then
          return '{"outcome": "applied", "nothing_to_do": true}';
        end if;
        return jsonb_build_object('outcome', 'refused', 'reason',
          format('it had already ended as %s with other values', present ->> 'status'));
      end if;
    else null;
    end case;
  end loop;
  return null;
end $$;

-- Whether a column holds what a client gave: timestamps are equal as instants, whatever their spelling.
create function has_value(present jsonb, given jsonb) returns boolean language plpgsql immutable as $$
begin
  if present is not distinct from given then return true; end if;
  if jsonb_typeof(present) <> 'string' or jsonb_typeof(given) <> 'string' then return false; end if;
  if not given #>> '{}' ~ '^\d{4}-\d{2}-\d{2}T' or not present #>> '{}' ~ '^\d{4}-\d{2}-\d{2}T' then return false; end if;
  return (present #>> '{}')::timestamptz = (given #>> '{}')::timestamptz;
end $$;

create function perform_steps(tx jsonb) returns void language plpgsql as $$
declare
  step jsonb;
  item jsonb;
  stamp bigint := (tx ->> 'stamp')::bigint;
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    case step ->> 'kind'
    when 'create' then
      perform insert_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values');
    when 'bulk_create' then
      for item in select value from jsonb_array_elements(step -> 'rows') loop
        perform insert_row(step ->> 'table', (item ->> 'id')::uuid, item -> 'values');
      end loop;
    when 'update' then
      perform update_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values', stamp,
        buffered_row(step ->> 'table', (step ->> 'id')::uuid));
    when 'delete' then
      execute format('delete from %I where id = $1', step ->> 'table') using (step ->> 'id')::uuid;
      insert into tombstone values (step ->> 'table', (step ->> 'id')::uuid, stamp) on conflict do nothing;
    else null; -- retry and discard act on the inbox, before anything else of their aggregate
    end case;
  end loop;
end $$;

-- Writes what became of a transaction. What main has said before stays said until it changes: `revision` counts that.
create function record_outcome(tx jsonb, verdict jsonb) returns void language plpgsql as $$
declare
  start_values jsonb := jsonb_path_query_first(
    tx, '$.steps[*] ? (@.kind == "create" && @.table == "executed_obs_unit").values');
begin
  insert into inbox as i (transaction_id, stamp, aggregate_id, operation, principal, record_ids, outcome, parked_for,
      reason, steps, obs_unit_id, start_time)
  values ((tx ->> 'id')::uuid, (tx ->> 'stamp')::bigint, (tx ->> 'aggregate')::uuid, tx ->> 'operation',
    tx ->> 'principal',
    array(select value::uuid from jsonb_array_elements_text(tx -> 'record_ids')),
    verdict ->> 'outcome', verdict ->> 'parked_for', verdict ->> 'reason',
    case when verdict ->> 'outcome' <> 'applied' then tx -> 'steps' end,
    (start_values ->> 'obs_unit_id')::integer, (start_values ->> 'start_time')::timestamptz)
  on conflict (transaction_id) do update set
    outcome = excluded.outcome,
    parked_for = excluded.parked_for,
    overdue = i.overdue and excluded.parked_for is not distinct from 'start',
    reason = case when i.overdue and excluded.parked_for is not distinct from 'start' then i.reason
      else excluded.reason end,
    steps = excluded.steps,
    attempts = i.attempts + 1,
    revision = i.revision + (row(i.outcome, i.parked_for, i.reason)
      is distinct from row(excluded.outcome, excluded.parked_for, excluded.reason))::integer,
    changed_at = clock_timestamp();
end $$;

-- Retries and discards act on the inbox: null if done, else why not.
create function decide(tx jsonb) returns text language plpgsql as $$
declare
  step jsonb;
  target inbox;
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    select * into target from inbox where transaction_id = (step ->> 'transaction')::uuid for update;
    if target.transaction_id is null then
      return format('transaction %s is not known to main', step ->> 'transaction');
    end if;
    if target.outcome = 'applied' then
      return format('transaction %s has been applied', step ->> 'transaction');
    end if;
    if step ->> 'kind' = 'discard' and target.outcome <> 'discarded' then
      update inbox set outcome = 'discarded', parked_for = null, overdue = false, reason = step ->> 'reason',
        revision = revision + 1, changed_at = clock_timestamp()
      where transaction_id = target.transaction_id;
    end if;
    insert into transaction_audit (transaction_id, decided_by, action, principal, reason)
    values (target.transaction_id, (tx ->> 'id')::uuid, step ->> 'kind', tx ->> 'principal', step ->> 'reason')
    on conflict do nothing;
  end loop;
  return null;
end $$;

-- Applies a batch of transactions (JSON array of their stored form, with `record_ids`) in one commit, each exactly once.
--
-- What cannot be applied is set aside alone. A foreseen obstacle costs nothing. An unforeseen one rolls back the block it
-- stands in; it is then parked, and what stood before it is applied again, in a block that ends with it. A call opens
-- at most 60 such blocks, since more than 64 subtransactions slow every snapshot on the replicas; what is then left is
-- not recorded and comes again. Errors whose SQLSTATE begins with one of `transient` say nothing about a
-- transaction: they fail the call.
--
-- Gives the inbox row of each recorded transaction of the batch, and of every other one whose outcome it changed.
create function apply_transactions(batch jsonb, transient text[], start_wait_seconds integer default 900)
returns setof inbox language plpgsql as $$
declare
  call_started timestamptz;
  bucket bigint;
  tx jsonb;
  refusal text;
  touched uuid[];
  work jsonb[];
  forced_at integer := 0;
  forced_for text;
  forced_reason text;
  first integer := 1;
  last integer;
  at integer;
  blocks integer := 0;
  blocked uuid[] := '{}';
  blocked_before uuid[];
  verdict jsonb;
  late uuid[];
begin
  perform set_config('ops.processor', 'on', true);

  -- Lock before looking, in a fixed order: no two calls judge one aggregate at the same time, nor wait in a circle.
  for bucket in
    select distinct abs(hashtextextended(t ->> 'aggregate', 0) % 512) from jsonb_array_elements(batch) t order by 1
  loop
    perform pg_advisory_xact_lock(7305, bucket::integer);
  end loop;
  call_started := clock_timestamp();

  -- Only what main has not recorded yet moves an aggregate.
  select coalesce(array_agg(t), '{}'), coalesce(array_agg(distinct (t ->> 'aggregate')::uuid), '{}')
  into work, touched
  from jsonb_array_elements(batch) t
  where not exists (select from inbox where transaction_id = (t ->> 'id')::uuid);

  foreach tx in array work loop
    if tx @? '$.steps[*] ? (@.kind == "retry" || @.kind == "discard")' then
      refusal := decide(tx);
      perform record_outcome(tx, case when refusal is null then '{"outcome": "applied"}'::jsonb
        else jsonb_build_object('outcome', 'refused', 'reason', refusal) end);
    end if;
  end loop;

  -- A start before what needs it, then as they were accepted.
  select coalesce(array_agg(t order by not t @? '$.steps[*] ? (@.kind == "create" && @.table == "executed_obs_unit")',
    (t ->> 'stamp')::bigint, t ->> 'id'), '{}')
  into work
  from (
    select distinct on (t ->> 'id') t from unnest(work) t
    where not t @? '$.steps[*] ? (@.kind == "retry" || @.kind == "discard")'
    union all
    select jsonb_build_object('id', transaction_id, 'stamp', stamp, 'aggregate', aggregate_id, 'operation', operation,
      'principal', principal, 'record_ids', to_jsonb(record_ids), 'steps', steps)
    from inbox where outcome = 'parked' and aggregate_id = any (touched)
  ) all_work;

  last := cardinality(work);
  while first <= last and blocks < 60 loop
    blocks := blocks + 1;
    blocked_before := blocked;
    begin
      at := first;
      while at <= last loop
        tx := work[at];
        if at = forced_at then
          verdict := jsonb_build_object('outcome', 'parked', 'parked_for', forced_for, 'reason', forced_reason);
        elsif (tx ->> 'aggregate')::uuid = any (blocked) then
          verdict := '{"outcome": "parked", "parked_for": "behind", "reason": "waits behind an earlier transaction"}';
        else
          verdict := judge(tx);
          if verdict is null then
            perform perform_steps(tx);
            verdict := '{"outcome": "applied"}';
          end if;
        end if;
        if verdict ->> 'parked_for' in ('failed', 'behind') then
          blocked := blocked || (tx ->> 'aggregate')::uuid;
        end if;
        perform record_outcome(tx, verdict);
        at := at + 1;
        exit when at - 1 = forced_at;
      end loop;
      first := at;
      forced_at := 0;
    exception when others then
      if exists (select from unnest(transient) prefix where starts_with(sqlstate, prefix)) then raise; end if;
      forced_at := at;
      -- a foreign key says that something is not there yet
      forced_for := case sqlstate when '23503' then 'start' else 'failed' end;
      forced_reason := format('%s (SQLSTATE %s)', sqlerrm, sqlstate);
      blocked := blocked_before;
    end;
  end loop;

  with overdue as (
    update inbox set overdue = true, revision = revision + 1, changed_at = clock_timestamp(),
      reason = format('%s; it has waited %s s for its start', reason, start_wait_seconds)
    where outcome = 'parked' and parked_for = 'start' and not inbox.overdue
      and recorded_at < clock_timestamp() - make_interval(secs => start_wait_seconds)
    returning transaction_id
  ) select coalesce(array_agg(transaction_id), '{}') into late from overdue;

  return query
    select * from inbox
    where transaction_id = any (array(select (t ->> 'id')::uuid from jsonb_array_elements(batch) t) || late)
    union
    select * from inbox where aggregate_id = any (touched) and changed_at >= call_started;
end $$;

-- Down Migration

drop function apply_transactions, decide, record_outcome, perform_steps, judge, has_value, update_row, insert_row,
  buffered_row;
drop trigger executed_obs_unit_stamp on executed_obs_unit;
drop trigger raw_data_package_stamp on raw_data_package;
drop trigger raw_data_file_stamp on raw_data_file;
drop function stamp_changed_fields;
drop table transaction_audit, tombstone, inbox;
