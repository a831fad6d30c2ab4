-- The schema as the migrations make it. Written by: npm run db:dump

create table api_token (
  created_at timestamp with time zone not null default clock_timestamp(),
  expires_at timestamp with time zone,
  field_stamps jsonb not null default '{}'::jsonb,
  id uuid not null,
  last_used_at timestamp with time zone,
  name text not null,
  permissions text not null,
  principal text not null,
  revoked_at timestamp with time zone,
  role text not null,
  token_hash text not null,
  updated_at timestamp with time zone not null default clock_timestamp(),
  usage_count bigint not null default 0
);

create table audit_event (
  action text not null,
  at timestamp with time zone not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  detail jsonb not null default '{}'::jsonb,
  field_stamps jsonb not null default '{}'::jsonb,
  id uuid not null,
  principal text not null,
  subject text not null,
  updated_at timestamp with time zone not null default clock_timestamp()
);

create table change_outbox (
  changed_at timestamp with time zone not null default clock_timestamp(),
  id bigint not null generated as identity,
  is_reset boolean not null default false,
  left_obs_unit_id integer,
  row_id text not null,
  table_name text not null,
  xid xid8 not null default pg_current_xact_id()
);

create table change_outbox_pruned (
  id bigint not null,
  is_only boolean not null default true,
  xid xid8 not null
);

create table data_transfer (
  data_transfer_package_id integer,
  data_transfer_route_id integer,
  ended_at timestamp with time zone,
  id integer not null generated as identity,
  retry_count integer not null default 0,
  started_at timestamp with time zone,
  status text not null default 'pending'::text
);

create table data_transfer_package (
  id integer not null generated as identity,
  name text not null,
  size_bytes bigint not null default 0,
  status text not null default 'pending'::text
);

create table data_transfer_route (
  destination_site_id integer not null,
  id integer not null generated as identity,
  method text not null default 'bbcp'::text,
  origin_site_id integer not null,
  route_type text not null
);

create table executed_obs_unit (
  created_at timestamp with time zone not null default clock_timestamp(),
  end_time timestamp with time zone,
  field_stamps jsonb not null default '{}'::jsonb,
  id uuid not null,
  instrument_module_ids integer[] not null default '{}'::integer[],
  leap_second boolean not null default false,
  metadata jsonb not null default '{}'::jsonb,
  obs_unit_id integer not null,
  start_time timestamp with time zone not null,
  status text not null,
  updated_at timestamp with time zone not null default clock_timestamp()
);

create table inbox (
  aggregate_id uuid not null,
  aggregates uuid[],
  alias uuid,
  attempts integer not null default 1,
  changed_at timestamp with time zone not null default clock_timestamp(),
  group_id uuid,
  obs_unit_id integer,
  operation text not null,
  outcome text not null,
  overdue boolean not null default false,
  parked_for text,
  principal text not null,
  raw text,
  reason text,
  record_ids uuid[] not null default '{}'::uuid[],
  recorded_at timestamp with time zone not null default clock_timestamp(),
  request_id text,
  revision integer not null default 1,
  site text,
  stamp bigint not null,
  start_time timestamp with time zone,
  steps jsonb,
  transaction_id uuid not null,
  waits_for text
);

create table instrument (
  available boolean not null default true,
  id integer not null generated as identity,
  name text not null,
  telescope_id integer not null
);

create table instrument_module (
  id integer not null generated as identity,
  instrument_id integer not null,
  name text not null
);

create table obs_unit (
  id integer not null generated as identity,
  instrument_id integer not null,
  name text not null,
  observing_program_id integer not null,
  source_id integer not null
);

create table observing_program (
  id integer not null generated as identity,
  name text not null,
  short_name text not null
);

create table ops_user (
  active boolean not null default true,
  created_at timestamp with time zone not null default clock_timestamp(),
  field_stamps jsonb not null default '{}'::jsonb,
  id uuid not null,
  last_login_at timestamp with time zone,
  login text not null,
  name text not null,
  principal text not null,
  role text not null,
  role_from text not null,
  stamp bigint not null,
  updated_at timestamp with time zone not null default clock_timestamp()
);

create table raw_data_file (
  checksum text,
  created_at timestamp with time zone not null default clock_timestamp(),
  executed_obs_unit_id uuid,
  field_stamps jsonb not null default '{}'::jsonb,
  id uuid not null,
  instrument_module_id integer,
  metadata jsonb not null default '{}'::jsonb,
  name text not null,
  raw_data_package_id uuid,
  size_bytes bigint,
  updated_at timestamp with time zone not null default clock_timestamp()
);

create table raw_data_package (
  checksum text,
  created_at timestamp with time zone not null default clock_timestamp(),
  data_transfer_package_id integer,
  executed_obs_unit_id uuid,
  field_stamps jsonb not null default '{}'::jsonb,
  id uuid not null,
  instrument_module_id integer,
  metadata jsonb not null default '{}'::jsonb,
  name text not null,
  size_bytes bigint,
  state text not null default 'waiting'::text,
  status text not null default 'pending'::text,
  updated_at timestamp with time zone not null default clock_timestamp()
);

create table schema_migration (
  id integer not null default nextval('schema_migration_id_seq'::regclass),
  name character varying(255) not null,
  run_on timestamp without time zone not null
);

create table site (
  id integer not null generated as identity,
  location text,
  name text not null,
  short_name text not null
);

create table source (
  dec_deg double precision,
  id integer not null generated as identity,
  name text not null,
  ra_deg double precision,
  type text not null
);

create table state_count (
  id bigint not null generated as identity,
  is_base boolean not null default false,
  n bigint not null,
  state text not null,
  table_name text not null
);

create table telescope (
  elevation_m double precision not null,
  id integer not null generated as identity,
  latitude_deg double precision not null,
  longitude_deg double precision not null,
  name text not null,
  site_id integer not null
);

create table tombstone (
  deleted_at timestamp with time zone not null default clock_timestamp(),
  id uuid not null,
  stamp bigint not null,
  table_name text not null
);

create table transaction_audit (
  action text not null,
  at timestamp with time zone not null default clock_timestamp(),
  decided_by uuid not null,
  id bigint not null generated as identity,
  principal text not null,
  reason text,
  transaction_id uuid not null
);

create table unreadable_message (
  body text not null,
  count integer not null default 1,
  first_seen timestamp with time zone not null default clock_timestamp(),
  id uuid not null,
  last_seen timestamp with time zone not null default clock_timestamp(),
  outcome text,
  reason text not null,
  transaction_id uuid,
  tried_at timestamp with time zone default clock_timestamp()
);

alter table api_token add constraint api_token_pkey PRIMARY KEY (id);

alter table api_token add constraint api_token_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'observer'::text, 'viewer'::text, 'service'::text])));

alter table api_token add constraint api_token_token_hash_key UNIQUE (token_hash);

alter table audit_event add constraint audit_event_pkey PRIMARY KEY (id);

alter table change_outbox add constraint change_outbox_pkey PRIMARY KEY (id);

alter table change_outbox_pruned add constraint change_outbox_pruned_is_only_check CHECK (is_only);

alter table change_outbox_pruned add constraint change_outbox_pruned_pkey PRIMARY KEY (is_only);

alter table data_transfer add constraint data_transfer_data_transfer_package_id_fkey FOREIGN KEY (data_transfer_package_id) REFERENCES data_transfer_package(id);

alter table data_transfer add constraint data_transfer_data_transfer_route_id_fkey FOREIGN KEY (data_transfer_route_id) REFERENCES data_transfer_route(id);

alter table data_transfer_package add constraint data_transfer_package_name_key UNIQUE (name);

alter table data_transfer_package add constraint data_transfer_package_pkey PRIMARY KEY (id);

alter table data_transfer_package add constraint data_transfer_package_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'scheduled'::text, 'in_progress'::text, 'completed'::text, 'failed'::text])));

alter table data_transfer add constraint data_transfer_pkey PRIMARY KEY (id);

alter table data_transfer_route add constraint data_transfer_route_destination_site_id_fkey FOREIGN KEY (destination_site_id) REFERENCES site(id);

alter table data_transfer_route add constraint data_transfer_route_origin_site_id_fkey FOREIGN KEY (origin_site_id) REFERENCES site(id);

alter table data_transfer_route add constraint data_transfer_route_pkey PRIMARY KEY (id);

alter table data_transfer_route add constraint data_transfer_route_route_type_check CHECK ((route_type = ANY (ARRAY['direct'::text, 'relay'::text, 'custom'::text])));

alter table data_transfer add constraint data_transfer_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'scheduled'::text, 'in_progress'::text, 'completed'::text, 'failed'::text])));

alter table executed_obs_unit add constraint executed_obs_unit_obs_unit_id_fkey FOREIGN KEY (obs_unit_id) REFERENCES obs_unit(id);

alter table executed_obs_unit add constraint executed_obs_unit_pkey PRIMARY KEY (id);

alter table executed_obs_unit add constraint executed_obs_unit_status_check CHECK ((status = ANY (ARRAY['running'::text, 'completed'::text, 'aborted'::text, 'failed'::text])));

alter table inbox add constraint inbox_check CHECK (((outcome = 'parked'::text) = (parked_for IS NOT NULL)));

alter table inbox add constraint inbox_outcome_check CHECK ((outcome = ANY (ARRAY['applied'::text, 'refused'::text, 'parked'::text, 'discarded'::text])));

alter table inbox add constraint inbox_parked_for_check CHECK ((parked_for = ANY (ARRAY['start'::text, 'behind'::text, 'failed'::text])));

alter table inbox add constraint inbox_parked_has_content CHECK (((outcome <> 'parked'::text) OR (steps IS NOT NULL) OR (raw IS NOT NULL))) NOT VALID;

alter table inbox add constraint inbox_pkey PRIMARY KEY (transaction_id);

alter table instrument_module add constraint instrument_module_instrument_id_fkey FOREIGN KEY (instrument_id) REFERENCES instrument(id);

alter table instrument_module add constraint instrument_module_instrument_id_name_key UNIQUE (instrument_id, name);

alter table instrument_module add constraint instrument_module_pkey PRIMARY KEY (id);

alter table instrument add constraint instrument_name_key UNIQUE (name);

alter table instrument add constraint instrument_pkey PRIMARY KEY (id);

alter table instrument add constraint instrument_telescope_id_fkey FOREIGN KEY (telescope_id) REFERENCES telescope(id);

alter table obs_unit add constraint obs_unit_instrument_id_fkey FOREIGN KEY (instrument_id) REFERENCES instrument(id);

alter table obs_unit add constraint obs_unit_observing_program_id_fkey FOREIGN KEY (observing_program_id) REFERENCES observing_program(id);

alter table obs_unit add constraint obs_unit_pkey PRIMARY KEY (id);

alter table obs_unit add constraint obs_unit_source_id_fkey FOREIGN KEY (source_id) REFERENCES source(id);

alter table observing_program add constraint observing_program_pkey PRIMARY KEY (id);

alter table observing_program add constraint observing_program_short_name_key UNIQUE (short_name);

alter table ops_user add constraint ops_user_pkey PRIMARY KEY (id);

alter table ops_user add constraint ops_user_principal_check CHECK ((principal ~ '^\d{1,15}$'::text));

alter table ops_user add constraint ops_user_principal_key UNIQUE (principal);

alter table ops_user add constraint ops_user_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'observer'::text, 'viewer'::text, 'service'::text])));

alter table ops_user add constraint ops_user_role_from_check CHECK ((role_from = ANY (ARRAY['github'::text, 'admin'::text])));

alter table raw_data_file add constraint raw_data_file_executed_obs_unit_id_fkey FOREIGN KEY (executed_obs_unit_id) REFERENCES executed_obs_unit(id);

alter table raw_data_file add constraint raw_data_file_instrument_module_id_fkey FOREIGN KEY (instrument_module_id) REFERENCES instrument_module(id);

alter table raw_data_file add constraint raw_data_file_pkey PRIMARY KEY (id);

alter table raw_data_file add constraint raw_data_file_raw_data_package_id_fkey FOREIGN KEY (raw_data_package_id) REFERENCES raw_data_package(id);

alter table raw_data_package add constraint raw_data_package_data_transfer_package_id_fkey FOREIGN KEY (data_transfer_package_id) REFERENCES data_transfer_package(id);

alter table raw_data_package add constraint raw_data_package_executed_obs_unit_id_fkey FOREIGN KEY (executed_obs_unit_id) REFERENCES executed_obs_unit(id);

alter table raw_data_package add constraint raw_data_package_instrument_module_id_fkey FOREIGN KEY (instrument_module_id) REFERENCES instrument_module(id);

alter table raw_data_package add constraint raw_data_package_pkey PRIMARY KEY (id);

alter table raw_data_package add constraint raw_data_package_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'transferring'::text, 'archived'::text, 'failed'::text])));

alter table raw_data_package add constraint raw_data_package_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'scheduled'::text, 'in_progress'::text, 'completed'::text, 'failed'::text])));

alter table schema_migration add constraint schema_migration_pkey PRIMARY KEY (id);

alter table site add constraint site_pkey PRIMARY KEY (id);

alter table site add constraint site_short_name_key UNIQUE (short_name);

alter table source add constraint source_name_key UNIQUE (name);

alter table source add constraint source_pkey PRIMARY KEY (id);

alter table source add constraint source_type_check CHECK ((type = ANY (ARRAY['fixed'::text, 'solar_system_object'::text, 'constant_elevation'::text])));

alter table state_count add constraint state_count_pkey PRIMARY KEY (table_name, state, id);

alter table telescope add constraint telescope_name_key UNIQUE (name);

alter table telescope add constraint telescope_pkey PRIMARY KEY (id);

alter table telescope add constraint telescope_site_id_fkey FOREIGN KEY (site_id) REFERENCES site(id);

alter table tombstone add constraint tombstone_pkey PRIMARY KEY (table_name, id);

alter table transaction_audit add constraint transaction_audit_action_check CHECK ((action = ANY (ARRAY['retry'::text, 'discard'::text])));

alter table transaction_audit add constraint transaction_audit_decided_by_transaction_id_key UNIQUE (decided_by, transaction_id);

alter table transaction_audit add constraint transaction_audit_pkey PRIMARY KEY (id);

alter table unreadable_message add constraint unreadable_message_outcome_check CHECK ((outcome = ANY (ARRAY['read'::text, 'discarded'::text])));

alter table unreadable_message add constraint unreadable_message_pkey PRIMARY KEY (id);

CREATE INDEX audit_event_at ON public.audit_event USING btree (at DESC, id DESC);

CREATE INDEX change_outbox_order ON public.change_outbox USING btree (xid, id);

CREATE INDEX data_transfer_status ON public.data_transfer USING btree (status);

CREATE INDEX executed_obs_unit_moved ON public.executed_obs_unit USING btree (start_time DESC, id DESC) WHERE ((field_stamps ? 'obs_unit_id'::text) OR (field_stamps ? 'start_time'::text));

CREATE INDEX executed_obs_unit_planned ON public.executed_obs_unit USING btree (obs_unit_id, start_time DESC, id DESC);

CREATE INDEX executed_obs_unit_start ON public.executed_obs_unit USING btree (start_time DESC, id DESC);

CREATE INDEX executed_obs_unit_status ON public.executed_obs_unit USING btree (status, start_time DESC, id DESC);

CREATE INDEX inbox_aggregate ON public.inbox USING btree (aggregate_id);

CREATE INDEX inbox_alias ON public.inbox USING btree (alias) WHERE (alias IS NOT NULL);

CREATE INDEX inbox_awaited ON public.inbox USING btree (hashtextextended(waits_for, (0)::bigint)) WHERE ((outcome = 'parked'::text) AND (parked_for = 'start'::text) AND (waits_for IS NOT NULL));

CREATE INDEX inbox_by_state ON public.inbox USING btree (inbox_state(outcome, parked_for, overdue), stamp DESC, transaction_id DESC) WHERE (outcome <> 'applied'::text);

CREATE INDEX inbox_parked ON public.inbox USING btree (aggregate_id, stamp) WHERE (outcome = 'parked'::text);

CREATE INDEX inbox_parked_obs_unit ON public.inbox USING btree (obs_unit_id, start_time) WHERE (outcome = 'parked'::text);

CREATE INDEX inbox_parked_start ON public.inbox USING btree (start_time DESC, aggregate_id DESC) WHERE (outcome = 'parked'::text);

CREATE INDEX inbox_parked_unit ON public.inbox USING btree (obs_unit_id, start_time DESC, aggregate_id DESC) WHERE (outcome = 'parked'::text);

CREATE INDEX inbox_set_aside ON public.inbox USING btree (stamp, transaction_id) WHERE (outcome = ANY (ARRAY['parked'::text, 'refused'::text, 'discarded'::text]));

CREATE INDEX inbox_waiting_for_start ON public.inbox USING btree (recorded_at) WHERE ((outcome = 'parked'::text) AND (parked_for = 'start'::text) AND (NOT overdue));

CREATE INDEX obs_unit_instrument ON public.obs_unit USING btree (instrument_id);

CREATE INDEX obs_unit_program ON public.obs_unit USING btree (observing_program_id);

CREATE INDEX obs_unit_source ON public.obs_unit USING btree (source_id);

CREATE INDEX raw_data_file_package ON public.raw_data_file USING btree (raw_data_package_id);

CREATE INDEX raw_data_file_unit ON public.raw_data_file USING btree (executed_obs_unit_id);

CREATE INDEX raw_data_package_state ON public.raw_data_package USING btree (state);

CREATE INDEX raw_data_package_unit ON public.raw_data_package USING btree (executed_obs_unit_id);

CREATE INDEX transaction_audit_at ON public.transaction_audit USING btree (at DESC, id DESC);

CREATE INDEX unreadable_message_kept ON public.unreadable_message USING btree (tried_at) WHERE (outcome IS NULL);

CREATE OR REPLACE FUNCTION public.apply_transactions(batch jsonb, transient text[], start_wait_seconds integer DEFAULT 900)
 RETURNS SETOF inbox
 LANGUAGE plpgsql
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION public.buffered_row(tbl text, row_id uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
AS $function$
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
    when 'api_token' then
      select to_jsonb(t) into found_row from api_token t where id = row_id for update;
    when 'ops_user' then
      select to_jsonb(t) into found_row from ops_user t where id = row_id for update;
    when 'audit_event' then
      select to_jsonb(t) into found_row from audit_event t where id = row_id;
  end case;
  return found_row;
end $function$
;

CREATE OR REPLACE FUNCTION public.count_by_state_v1(tbl text, state_column text)
 RETURNS void
 LANGUAGE plpgsql
AS $functionx$
declare
  count_function text := tbl || '_count';
begin
  execute format($function$
    create function %1$I() returns trigger language plpgsql security definer set search_path = public, pg_temp as $body$
    begin
      case tg_op
      when 'INSERT' then
        insert into state_count (table_name, state, n)
        select %2$L, %3$I, count(*) from new_rows group by %3$I;
      when 'DELETE' then
        insert into state_count (table_name, state, n)
        select %2$L, %3$I, -count(*) from old_rows group by %3$I;
      when 'UPDATE' then
        insert into state_count (table_name, state, n)
        select %2$L, state, sum(n)
        from (select %3$I as state, 1 as n from new_rows union all select %3$I, -1 from old_rows) changed
        group by state having sum(n) <> 0;
      when 'TRUNCATE' then
        insert into state_count (table_name, state, n, is_base) values (%2$L, '', 0, true);
      end case;
      return null;
    end $body$
  $function$, count_function, tbl, state_column);
  execute format('create trigger %I after insert on %I referencing new table as new_rows
    for each statement execute function %I()', tbl || '_count_insert', tbl, count_function);
  execute format('create trigger %I after delete on %I referencing old table as old_rows
    for each statement execute function %I()', tbl || '_count_delete', tbl, count_function);
  execute format('create trigger %I after update on %I referencing old table as old_rows new table as new_rows
    for each statement execute function %I()', tbl || '_count_update', tbl, count_function);
  execute format('create trigger %I after truncate on %I
    for each statement execute function %I()', tbl || '_count_truncate', tbl, count_function);
end $functionx$
;

CREATE OR REPLACE FUNCTION public.data_transfer_count()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    begin
      case tg_op
      when 'INSERT' then
        insert into state_count (table_name, state, n)
        select 'data_transfer', status, count(*) from new_rows group by status;
      when 'DELETE' then
        insert into state_count (table_name, state, n)
        select 'data_transfer', status, -count(*) from old_rows group by status;
      when 'UPDATE' then
        insert into state_count (table_name, state, n)
        select 'data_transfer', state, sum(n)
        from (select status as state, 1 as n from new_rows union all select status, -1 from old_rows) changed
        group by state having sum(n) <> 0;
      when 'TRUNCATE' then
        insert into state_count (table_name, state, n, is_base) values ('data_transfer', '', 0, true);
      end case;
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION public.decide(tx jsonb)
 RETURNS text
 LANGUAGE plpgsql
AS $function$
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
    insert into transaction_audit (transaction_id, decided_by, action, principal, reason, at)
    values (target.transaction_id, (tx ->> 'id')::uuid, step ->> 'kind', tx ->> 'principal', step ->> 'reason',
      to_timestamp((tx ->> 'stamp')::numeric / 1000000))
    on conflict do nothing;
  end loop;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.has_value(present jsonb, given jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
begin
  if present is not distinct from given then return true; end if;
  if jsonb_typeof(present) <> 'string' or jsonb_typeof(given) <> 'string' then return false; end if;
  if not given #>> '{}' ~ '^\d{4}-\d{2}-\d{2}T' or not present #>> '{}' ~ '^\d{4}-\d{2}-\d{2}T' then return false; end if;
  return (present #>> '{}')::timestamptz = (given #>> '{}')::timestamptz;
end $function$
;

CREATE OR REPLACE FUNCTION public.inbox_state(outcome text, parked_for text, overdue boolean)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE outcome WHEN 'applied'::text THEN 'committed'::text WHEN 'discarded'::text THEN 'discarded'::text WHEN 'refused'::text THEN 'failed'::text ELSE CASE WHEN ((parked_for = 'failed'::text) OR overdue) THEN 'failed'::text ELSE 'waiting'::text END END
;

CREATE OR REPLACE FUNCTION public.insert_row(tbl text, row_id uuid, vals jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  row_json jsonb := vals || jsonb_build_object('id', row_id);
  columns text;
begin
  select string_agg(quote_ident(key), ', ') into columns from jsonb_object_keys(row_json) as key;
  execute format('insert into %1$I (%2$s) select %2$s from jsonb_populate_record(null::%1$I, $1)', tbl, columns)
    using row_json;
end $function$
;

CREATE OR REPLACE FUNCTION public.judge(tx jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION public.make_buffered_v1(tbl text, parent text DEFAULT NULL::text, together text[] DEFAULT '{}'::text[], states jsonb DEFAULT '{}'::jsonb, feed boolean DEFAULT true, append_only boolean DEFAULT false)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  state_column text;
  allowed jsonb;
begin
  if not exists (
    select from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and c.conkey = array[a.attnum]
    where c.conrelid = tbl::regclass and c.contype = 'p' and a.attname = 'id' and a.atttypid = 'uuid'::regtype
  ) then
    raise exception 'table % needs "id uuid primary key"', tbl;
  end if;
  execute format($sql$
    alter table %I
      add column created_at timestamptz not null default clock_timestamp(),
      add column updated_at timestamptz not null default clock_timestamp(),
      add column field_stamps jsonb not null default '{}'$sql$, tbl);
  execute format('comment on column %I.field_stamps is %L', tbl, 'field → when it was last written, microseconds since 1970');
  if parent is not null then
    execute format('alter table %I add foreign key (%I) references %I', tbl, parent, left(parent, -3));
    execute format('create index %I on %I (%I)', tbl || '_parent', tbl, parent);
  end if;
  for state_column, allowed in select * from jsonb_each(states) loop
    execute format('alter table %I add check (%I in (%s))', tbl, state_column,
      (select string_agg(quote_literal(state), ', ') from jsonb_array_elements_text(allowed) state));
  end loop;
  if append_only then
    execute format('create trigger %I before update or delete or truncate on %I for each statement execute function refuse_change()',
      tbl || '_append_only', tbl);
  else
    execute format('create trigger %I before update on %I for each row execute function stamp_changed_fields(%s)',
      tbl || '_stamp', tbl, (select string_agg(quote_literal(names), ', ') from unnest(together) names));
  end if;
  if feed then
    execute format('create trigger %I after insert on %I referencing new table as new_rows
      for each statement execute function note_changes()', tbl || '_inserted', tbl);
    execute format('create trigger %I after update on %I referencing new table as new_rows
      for each statement execute function note_changes()', tbl || '_updated', tbl);
    execute format('create trigger %I after delete on %I referencing old table as old_rows
      for each statement execute function note_changes()', tbl || '_deleted', tbl);
    execute format('create trigger %I after truncate on %I
      for each statement execute function note_truncate()', tbl || '_truncated', tbl);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION public.note_changes()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if current_setting('ops.processor', true) = 'on' then return null; end if;
  case tg_op
  when 'DELETE' then
    insert into change_outbox (table_name, row_id) select tg_table_name, id from old_rows;
  when 'INSERT', 'UPDATE' then
    insert into change_outbox (table_name, row_id) select tg_table_name, id from new_rows;
  end case;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.note_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  insert into change_outbox (table_name, row_id, is_reset)
  values (tg_table_name, '00000000-0000-0000-0000-000000000000', true);
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.note_unit_changes()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  is_processor boolean := coalesce(current_setting('ops.processor', true) = 'on', false);
begin
  case tg_op
  when 'INSERT' then
    if is_processor then return null; end if;
    insert into change_outbox (table_name, row_id) select tg_table_name, id from new_rows;
  when 'UPDATE' then
    insert into change_outbox (table_name, row_id, left_obs_unit_id)
    select tg_table_name, n.id, nullif(o.obs_unit_id, n.obs_unit_id)
    from new_rows n left join old_rows o on o.id = n.id
    where not is_processor or o.obs_unit_id <> n.obs_unit_id
    union all
    -- a new primary key is a new record
    select tg_table_name, o.id, o.obs_unit_id from old_rows o
    where not exists (select from new_rows n where n.id = o.id);
  when 'DELETE' then
    if is_processor then return null; end if;
    insert into change_outbox (table_name, row_id, left_obs_unit_id)
    select tg_table_name, id, obs_unit_id from old_rows;
  end case;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.perform_steps(tx jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  step jsonb;
  item jsonb;
  stamp bigint := (tx ->> 'stamp')::bigint;
  present jsonb;
  put_stamp bigint;
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    case step ->> 'kind'
    when 'create' then
      perform insert_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values');
    when 'put' then
      -- nobody needs to know whether it is there: the site may have forgotten
      present := buffered_row(step ->> 'table', (step ->> 'id')::uuid);
      -- a row that carries its own stamp was put in that order at the site, whatever order it is recorded in
      put_stamp := coalesce((step -> 'values' ->> 'stamp')::bigint, stamp);
      if present is null then
        perform insert_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values');
      elsif coalesce((present ->> 'stamp')::bigint, 0) <= put_stamp then
        perform update_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values', put_stamp, present);
      end if;
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
end $function$
;

CREATE OR REPLACE FUNCTION public.raw_data_package_count()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    begin
      case tg_op
      when 'INSERT' then
        insert into state_count (table_name, state, n)
        select 'raw_data_package', state, count(*) from new_rows group by state;
      when 'DELETE' then
        insert into state_count (table_name, state, n)
        select 'raw_data_package', state, -count(*) from old_rows group by state;
      when 'UPDATE' then
        insert into state_count (table_name, state, n)
        select 'raw_data_package', state, sum(n)
        from (select state as state, 1 as n from new_rows union all select state, -1 from old_rows) changed
        group by state having sum(n) <> 0;
      when 'TRUNCATE' then
        insert into state_count (table_name, state, n, is_base) values ('raw_data_package', '', 0, true);
      end case;
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION public.record_outcome(tx jsonb, verdict jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION public.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'OP001';
end $function$
;

CREATE OR REPLACE FUNCTION public.stamp_changed_fields()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  now_microseconds bigint := extract(epoch from clock_timestamp()) * 1000000;
  before jsonb := to_jsonb(old);
  after jsonb := to_jsonb(new);
begin
  if current_setting('ops.processor', true) = 'on' then return new; end if;
  new.field_stamps := new.field_stamps || coalesce((
    with changed as (
      select key as field, value as now, before -> key as was,
        'object' in (jsonb_typeof(value), jsonb_typeof(before -> key))
          and jsonb_typeof(value) in ('object', 'null') and jsonb_typeof(before -> key) in ('object', 'null') as by_key
      from jsonb_each(after)
      where key not in ('field_stamps', 'updated_at') and value is distinct from before -> key
    )
    select jsonb_object_agg(field, now_microseconds)
    from (
      select field from changed where not by_key
      union
      select field || '.' || part
      from changed, lateral (
        select coalesce(a.key, b.key) as part
        from jsonb_each(case jsonb_typeof(now) when 'object' then now else '{}' end) a
          full join jsonb_each(case jsonb_typeof(was) when 'object' then was else '{}' end) b using (key)
        where a.value is distinct from b.value
      ) parts
      where by_key
      union
      select member
      from unnest(tg_argv) as together, unnest(string_to_array(together, ',')) as member
      where exists (select from changed where field = any (string_to_array(together, ',')))
    ) stamped), '{}');
  return new;
end $function$
;

CREATE OR REPLACE FUNCTION public.update_row(tbl text, row_id uuid, vals jsonb, stamp bigint, present jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
end $function$
;

CREATE TRIGGER api_token_stamp BEFORE UPDATE ON public.api_token FOR EACH ROW EXECUTE FUNCTION stamp_changed_fields();

CREATE TRIGGER audit_event_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER data_transfer_count_delete AFTER DELETE ON public.data_transfer REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION data_transfer_count();

CREATE TRIGGER data_transfer_count_insert AFTER INSERT ON public.data_transfer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION data_transfer_count();

CREATE TRIGGER data_transfer_count_truncate AFTER TRUNCATE ON public.data_transfer FOR EACH STATEMENT EXECUTE FUNCTION data_transfer_count();

CREATE TRIGGER data_transfer_count_update AFTER UPDATE ON public.data_transfer REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION data_transfer_count();

CREATE TRIGGER data_transfer_deleted AFTER DELETE ON public.data_transfer REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_transfer_inserted AFTER INSERT ON public.data_transfer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_transfer_truncated AFTER TRUNCATE ON public.data_transfer FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER data_transfer_updated AFTER UPDATE ON public.data_transfer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER executed_obs_unit_deleted AFTER DELETE ON public.executed_obs_unit REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_unit_changes();

CREATE TRIGGER executed_obs_unit_inserted AFTER INSERT ON public.executed_obs_unit REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_unit_changes();

CREATE TRIGGER executed_obs_unit_stamp BEFORE UPDATE ON public.executed_obs_unit FOR EACH ROW EXECUTE FUNCTION stamp_changed_fields('status,end_time');

CREATE TRIGGER executed_obs_unit_truncated AFTER TRUNCATE ON public.executed_obs_unit FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER executed_obs_unit_updated AFTER UPDATE ON public.executed_obs_unit REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_unit_changes();

CREATE TRIGGER ops_user_stamp BEFORE UPDATE ON public.ops_user FOR EACH ROW EXECUTE FUNCTION stamp_changed_fields();

CREATE TRIGGER raw_data_file_stamp BEFORE UPDATE ON public.raw_data_file FOR EACH ROW EXECUTE FUNCTION stamp_changed_fields();

CREATE TRIGGER raw_data_package_count_delete AFTER DELETE ON public.raw_data_package REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION raw_data_package_count();

CREATE TRIGGER raw_data_package_count_insert AFTER INSERT ON public.raw_data_package REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION raw_data_package_count();

CREATE TRIGGER raw_data_package_count_truncate AFTER TRUNCATE ON public.raw_data_package FOR EACH STATEMENT EXECUTE FUNCTION raw_data_package_count();

CREATE TRIGGER raw_data_package_count_update AFTER UPDATE ON public.raw_data_package REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION raw_data_package_count();

CREATE TRIGGER raw_data_package_deleted AFTER DELETE ON public.raw_data_package REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER raw_data_package_inserted AFTER INSERT ON public.raw_data_package REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER raw_data_package_stamp BEFORE UPDATE ON public.raw_data_package FOR EACH ROW EXECUTE FUNCTION stamp_changed_fields();

CREATE TRIGGER raw_data_package_truncated AFTER TRUNCATE ON public.raw_data_package FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER raw_data_package_updated AFTER UPDATE ON public.raw_data_package REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER transaction_audit_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.transaction_audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
