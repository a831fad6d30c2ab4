-- Up Migration

alter table change_outbox
  add column left_obs_unit_id integer,
  add column is_reset boolean not null default false;
comment on column change_outbox.left_obs_unit_id is
  'The planned unit that an executed unit belonged to before it was moved or deleted.';
comment on column change_outbox.is_reset is
  'More has changed than rows name: the table was truncated. The first release reads such a row as a change of a record '
  'that does not exist.';

create table change_outbox_pruned (
  is_only boolean primary key default true check (is_only),
  xid xid8 not null,
  id bigint not null
);
comment on table change_outbox_pruned is
  'The last row of change_outbox that was pruned: a reader that has not come so far has missed changes.';

-- One row per changed row, written once per statement. What the processor writes the site already has in its change feed,
-- except that a record has left a planned unit.

create function note_unit_changes() returns trigger language plpgsql as $$
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
end $$;

create function note_changes() returns trigger language plpgsql as $$
begin
  if current_setting('ops.processor', true) = 'on' then return null; end if;
  case tg_op
  when 'DELETE' then
    insert into change_outbox (table_name, row_id) select tg_table_name, id from old_rows;
  when 'INSERT', 'UPDATE' then
    insert into change_outbox (table_name, row_id) select tg_table_name, id from new_rows;
  end case;
  return null;
end $$;

create function note_truncate() returns trigger language plpgsql as $$
begin
  insert into change_outbox (table_name, row_id, is_reset)
  values (tg_table_name, '00000000-0000-0000-0000-000000000000', true);
  return null;
end $$;

drop trigger data_transfer_change on data_transfer;
drop trigger raw_data_package_change on raw_data_package;
drop trigger executed_obs_unit_change on executed_obs_unit;
drop function note_change;

create trigger executed_obs_unit_inserted after insert on executed_obs_unit
  referencing new table as new_rows for each statement execute function note_unit_changes();
create trigger executed_obs_unit_updated after update on executed_obs_unit
  referencing old table as old_rows new table as new_rows for each statement execute function note_unit_changes();
create trigger executed_obs_unit_deleted after delete on executed_obs_unit
  referencing old table as old_rows for each statement execute function note_unit_changes();
create trigger executed_obs_unit_truncated after truncate on executed_obs_unit
  for each statement execute function note_truncate();

create trigger raw_data_package_inserted after insert on raw_data_package
  referencing new table as new_rows for each statement execute function note_changes();
create trigger raw_data_package_updated after update on raw_data_package
  referencing new table as new_rows for each statement execute function note_changes();
create trigger raw_data_package_deleted after delete on raw_data_package
  referencing old table as old_rows for each statement execute function note_changes();
create trigger raw_data_package_truncated after truncate on raw_data_package
  for each statement execute function note_truncate();

create trigger data_transfer_inserted after insert on data_transfer
  referencing new table as new_rows for each statement execute function note_changes();
create trigger data_transfer_updated after update on data_transfer
  referencing new table as new_rows for each statement execute function note_changes();
create trigger data_transfer_deleted after delete on data_transfer
  referencing old table as old_rows for each statement execute function note_changes();
create trigger data_transfer_truncated after truncate on data_transfer
  for each statement execute function note_truncate();
