-- Up Migration

-- What a transaction waits for, how main keeps one whose steps are not storable as jsonb, and under which id an earlier
-- release would have recorded it.
alter table inbox
  add column waits_for text,
  add column raw text,
  add column alias uuid,
  drop constraint inbox_check1,
  -- implied by the constraint that it replaces: no need to look at the rows that are there
  add constraint inbox_parked_has_content check (outcome <> 'parked' or steps is not null or raw is not null) not valid;
comment on column inbox.waits_for is
  '<table>:<id> that is missing at main: the transaction is taken up once it is there; ''retry'': only a person takes it up';
comment on column inbox.raw is 'the transaction as text, if its steps cannot be stored as jsonb';
comment on column inbox.alias is 'the id that release 1 would have given it: either is the same transaction';

create function inbox_state(outcome text, parked_for text, overdue boolean) returns text
language sql immutable parallel safe
return case outcome
  when 'applied' then 'committed'
  when 'discarded' then 'discarded'
  when 'refused' then 'failed'
  else case when parked_for = 'failed' or overdue then 'failed' else 'waiting' end
end;
comment on function inbox_state is 'State of a transaction, as lifecycle.ts names it.';

create table unreadable_message (
  id uuid primary key,
  body text not null,
  reason text not null,
  first_seen timestamptz not null default clock_timestamp(),
  last_seen timestamptz not null default clock_timestamp(),
  count integer not null default 1,
  tried_at timestamptz default clock_timestamp(),
  outcome text check (outcome in ('read', 'discarded')),
  transaction_id uuid
);
comment on table unreadable_message is
  'Messages that no release so far could read. They are tried again, at most once an hour, and when somebody asks for it.';
comment on column unreadable_message.id is 'derived from the SHA-256 of the body';
comment on column unreadable_message.tried_at is 'null: it is tried as soon as possible';
comment on column unreadable_message.outcome is 'null while it is kept to be read';
comment on column unreadable_message.transaction_id is 'that it turned out to be';
create index unreadable_message_kept on unreadable_message (tried_at) where outcome is null;

-- Errors of class OP are our own: a rule of ours refuses the change.
create or replace function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'OP001';
end $$;

-- A change by plain SQL gets its time as the stamp of each changed field, so that an older buffered update does not undo
-- it. Columns that hold objects are stamped by key. Each argument of the trigger names fields, separated by commas, that
-- belong together: a change of one stamps all of them.
create or replace function stamp_changed_fields() returns trigger language plpgsql as $$
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
end $$;

create or replace trigger executed_obs_unit_stamp before update on executed_obs_unit
  for each row execute function stamp_changed_fields('status,end_time');

-- Down Migration

create or replace trigger executed_obs_unit_stamp before update on executed_obs_unit
  for each row execute function stamp_changed_fields();
drop table unreadable_message;
alter table inbox drop constraint inbox_parked_has_content, drop column waits_for, drop column raw, drop column alias;
drop function inbox_state;
