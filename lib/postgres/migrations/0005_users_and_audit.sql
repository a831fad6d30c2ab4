-- Up Migration

create table ops_user (
  id uuid primary key,
  principal text not null unique check (principal ~ '^\d{1,15}$'),
  login text not null,
  name text not null,
  role text not null check (role in ('admin', 'observer', 'viewer', 'service')),
  role_from text not null check (role_from in ('github', 'admin')),
  active boolean not null default true,
  last_login_at timestamptz,
  stamp bigint not null,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  field_stamps jsonb not null default '{}'
);
comment on table ops_user is
  'People who have logged in. Written through the buffer; what Redis has of them is loaded from here.';
comment on column ops_user.principal is 'their id at GitHub, which is what API tokens and sessions carry';
comment on column ops_user.stamp is 'accept clock of the last change that was made through the API, microseconds since 1970';
comment on column ops_user.role_from is 'admin: it was set by hand, and a login leaves it as it is';

create trigger ops_user_stamp before update on ops_user
  for each row execute function stamp_changed_fields();

create table audit_event (
  id uuid primary key,
  at timestamptz not null,
  principal text not null,
  action text not null,
  subject text not null,
  detail jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  field_stamps jsonb not null default '{}'
);
comment on table audit_event is 'Who did what to sessions, tokens and roles. Append-only.';
create index audit_event_at on audit_event (at desc, id desc);
create index transaction_audit_at on transaction_audit (at desc, id desc);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger audit_event_append_only before update or delete or truncate on audit_event
  for each statement execute function refuse_change();
create trigger transaction_audit_append_only before update or delete or truncate on transaction_audit
  for each statement execute function refuse_change();

alter table api_token add column usage_count bigint not null default 0, add column last_used_at timestamptz;

create or replace function buffered_row(tbl text, row_id uuid) returns jsonb language plpgsql as $$
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
end $$;

create or replace function perform_steps(tx jsonb) returns void language plpgsql as $$
declare
  step jsonb;
  item jsonb;
  stamp bigint := (tx ->> 'stamp')::bigint;
  present jsonb;
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    case step ->> 'kind'
    when 'create' then
      perform insert_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values');
    when 'put' then
      -- nobody needs to know whether it is there: the site may have forgotten
      present := buffered_row(step ->> 'table', (step ->> 'id')::uuid);
      if present is null then
        perform insert_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values');
      else
        perform update_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values', stamp, present);
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
end $$;

-- Down Migration

create or replace function perform_steps(tx jsonb) returns void language plpgsql as $$
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

create or replace function buffered_row(tbl text, row_id uuid) returns jsonb language plpgsql as $$
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
  end case;
  return found_row;
end $$;

alter table api_token drop column usage_count, drop column last_used_at;
drop trigger transaction_audit_append_only on transaction_audit;
drop index transaction_audit_at;
drop table audit_event, ops_user;
drop function refuse_change();
