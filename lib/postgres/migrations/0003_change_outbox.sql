-- Up Migration

create table change_outbox (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  table_name text not null,
  row_id text not null,
  changed_at timestamptz not null default clock_timestamp()
);
comment on table change_outbox is
  'Changes made by anyone but the processor, for the change feed. An identity is not commit order: it is relayed up to '
  'the oldest transaction still running in the replica''s snapshot.';
create index change_outbox_order on change_outbox (xid, id);

create function note_change() returns trigger language plpgsql as $$
begin
  if current_setting('ops.processor', true) = 'on' then return null; end if;
  insert into change_outbox (table_name, row_id)
  values (tg_table_name, case tg_op when 'DELETE' then old.id::text else new.id::text end);
  return null;
end $$;

create trigger data_transfer_change after insert or update or delete on data_transfer
  for each row execute function note_change();
create trigger raw_data_package_change after insert or update or delete on raw_data_package
  for each row execute function note_change();
create trigger executed_obs_unit_change after insert or update or delete on executed_obs_unit
  for each row execute function note_change();

-- Down Migration

drop trigger data_transfer_change on data_transfer;
drop trigger raw_data_package_change on raw_data_package;
drop trigger executed_obs_unit_change on executed_obs_unit;
drop function note_change;
drop table change_outbox;
