-- Up Migration

-- Executed units ---------------------------------------------------------------------------------------------------------

alter table executed_obs_unit
  add column conditions jsonb not null default '{}',
  add column quality text not null default 'unknown' check (quality in ('unknown', 'good', 'questionable', 'bad')),
  add column quality_note text,
  add column reason text,
  add column void boolean not null default false,
  add column seq_num integer,
  add column observer text,
  add column script text,
  add column script_line text;
alter table executed_obs_unit drop constraint executed_obs_unit_status_check;
alter table executed_obs_unit add constraint executed_obs_unit_status_check
  check (status in ('running', 'completed', 'aborted', 'failed', 'not_attempted')) not valid;
alter table executed_obs_unit validate constraint executed_obs_unit_status_check;
comment on column executed_obs_unit.status is 'not_attempted: it was due, and was not begun; start_time says when it was due';
comment on column executed_obs_unit.conditions is 'key → value, with the keys of metadata_key or others';
comment on column executed_obs_unit.quality is 'what people think of its data; apart from its status, and changed at any time';
comment on column executed_obs_unit.reason is 'why it was not attempted, or why it was corrected last';
comment on column executed_obs_unit.void is 'It did not take place: the record is kept, and is to be left out of everything.';
comment on column executed_obs_unit.seq_num is 'its number in the night, given by the client';

create table metadata_key (
  key text primary key,
  column_name text not null default 'metadata' check (column_name in ('conditions', 'metadata')),
  dtype text not null check (dtype in ('bool', 'int', 'float', 'str')),
  doc text not null,
  unit text,
  ucd text
);
comment on table metadata_key is 'Keys of conditions and metadata with a known meaning. Other keys are free.';
comment on column metadata_key.unit is 'as astropy writes it';
insert into metadata_key (key, column_name, dtype, doc, unit, ucd) values
  ('pwv_mm', 'conditions', 'float', 'Precipitable water vapour', 'mm', 'phys.columnDensity;obs.atmos'),
  ('elevation_deg', 'conditions', 'float', 'Elevation of the telescope', 'deg', 'pos.az.alt'),
  ('azimuth_deg', 'conditions', 'float', 'Azimuth of the telescope, from north through east', 'deg', 'pos.az.azi'),
  ('humidity_pct', 'conditions', 'float', 'Relative humidity', '%', 'obs.atmos'),
  ('wind_ms', 'conditions', 'float', 'Wind speed', 'm / s', 'phys.veloc;obs.atmos'),
  ('ambient_c', 'conditions', 'float', 'Temperature of the air', 'deg_C', 'phys.temperature;obs.atmos');

create table observation_note (
  id uuid primary key,
  executed_obs_unit_id uuid,
  day_obs integer,
  at timestamptz not null,
  author text not null,
  author_is_human boolean not null default true,
  level integer not null default 20,
  text text not null,
  tags text[] not null default '{}',
  urls text[] not null default '{}',
  time_lost_s integer check (time_lost_s >= 0),
  time_lost_type text check (time_lost_type in ('weather', 'fault', 'other')),
  flag text not null default 'none' check (flag in ('none', 'junk', 'questionable')),
  parent_id uuid,
  root_id uuid,
  invalidated_at timestamptz
);
comment on table observation_note is
  'What people and programs noted about an executed unit or a night. An edit is a row of its own that names the one before; that '
  'one gets invalidated_at and changes in nothing else.';
comment on column observation_note.day_obs is 'the night: the day, YYYYMMDD, on whose noon, UTC, it began';
comment on column observation_note.level is '20 info, 30 warning, 40 error';
comment on column observation_note.root_id is 'the first one of a chain of edits; null in that one';
select make_buffered_v1('observation_note', parent => 'executed_obs_unit_id', feed => false);
create index observation_note_night on observation_note (day_obs, at desc, id desc);
create index observation_note_parent_id on observation_note (parent_id) where parent_id is not null;

-- Files and packages -----------------------------------------------------------------------------------------------------

alter table raw_data_file
  add column relative_path text,
  add column checksum_type text,
  add column file_type text,
  add column source_location_id integer references data_location,
  add column data_start timestamptz,
  add column data_end timestamptz;
comment on column raw_data_file.relative_path is 'within its location and its package; the package keeps it';

alter table raw_data_package
  add column checksum_type text,
  add column retry_count integer not null default 0,
  add column failure_error_message text,
  add column finalized_at timestamptz;
comment on column raw_data_package.finalized_at is
  'since when no file is added. A file that was accepted before belongs to it, whenever it comes to main.';
comment on column raw_data_package.size_bytes is 'of the archive file, as its author gave it; its files have sizes of their own';

create table raw_data_package_metadata (
  raw_data_package_id uuid primary key references raw_data_package on delete cascade,
  dataproduct_type text,
  calib_level integer not null default 0 check (calib_level between 0 and 4),
  obs_collection text,
  obs_id text,
  obs_publisher_did text,
  access_url text,
  access_format text,
  access_estsize bigint,
  target_name text,
  s_ra double precision,
  s_dec double precision,
  s_fov double precision,
  s_region text,
  s_resolution double precision,
  s_xel1 bigint,
  s_xel2 bigint,
  t_min double precision,
  t_max double precision,
  t_exptime double precision,
  t_resolution double precision,
  t_xel bigint,
  em_min double precision,
  em_max double precision,
  em_res_power double precision,
  em_xel bigint,
  o_ucd text,
  pol_states text,
  pol_xel bigint,
  facility_name text,
  instrument_name text
);
comment on table raw_data_package_metadata is 'The mandatory columns of IVOA ObsCore 1.1';
comment on column raw_data_package_metadata.access_estsize is 'kbyte';
comment on column raw_data_package_metadata.t_min is 'MJD, UTC';

-- The copy of a file at the place where it was written.
create function note_source_copy() returns trigger language plpgsql as $$
begin
  with copies as (
    insert into physical_copy (type, data_location_id, copy_of, path, size_bytes, checksum)
    select 'raw_data_file', n.source_location_id, n.id::text, coalesce(n.relative_path, n.name), n.size_bytes, n.checksum
    from new_rows n where n.source_location_id is not null
    returning id, copy_of
  )
  insert into raw_data_file_physical_copy (id, raw_data_file_id) select id, copy_of::uuid from copies;
  return null;
end $$;
create trigger raw_data_file_source_copy after insert on raw_data_file referencing new table as new_rows
  for each statement execute function note_source_copy();

-- Announcing -------------------------------------------------------------------------------------------------------------

-- A change of what belongs to an executed unit is a change of that unit for those who watch it.
create function note_changes_of_unit() returns trigger language plpgsql as $$
begin
  if current_setting('ops.processor', true) = 'on' then return null; end if;
  if tg_op <> 'DELETE' then
    insert into change_outbox (table_name, row_id)
    select distinct 'executed_obs_unit', executed_obs_unit_id from new_rows where executed_obs_unit_id is not null;
  end if;
  if tg_op = 'UPDATE' then
    insert into change_outbox (table_name, row_id)
    select distinct 'executed_obs_unit', o.executed_obs_unit_id from old_rows o
    where o.executed_obs_unit_id is not null and not exists (
      select from new_rows n where n.executed_obs_unit_id = o.executed_obs_unit_id);
  elsif tg_op = 'DELETE' then
    insert into change_outbox (table_name, row_id)
    select distinct 'executed_obs_unit', executed_obs_unit_id from old_rows where executed_obs_unit_id is not null;
  end if;
  return null;
end $$;

-- What the site has accepted its feed shows already, but for counts that main alone has.
create function note_recorded() returns trigger language plpgsql as $$
begin
  if current_setting('ops.processor', true) is distinct from 'on' then return null; end if;
  insert into change_outbox (table_name, row_id) select tg_table_name, min(id::text) from new_rows having count(*) > 0;
  return null;
end $$;
create trigger raw_data_package_recorded after insert on raw_data_package referencing new table as new_rows
  for each statement execute function note_recorded();
create trigger raw_data_package_moved after update on raw_data_package referencing new table as new_rows
  for each statement execute function note_recorded();

-- Who changed what by plain SQL. What comes through the API has its inbox row.
create table row_change (
  id bigint generated always as identity primary key,
  table_name text not null,
  row_id text not null,
  at timestamptz not null default clock_timestamp(),
  by_role text not null default session_user,
  by_program text default current_setting('application_name', true),
  before jsonb not null,
  after jsonb
);
comment on table row_change is
  'Changes that other programs made by plain SQL: of each row the columns that changed. after is null if the row was deleted.';
create index row_change_of on row_change (table_name, row_id, id);

create function note_row_changes() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if current_setting('ops.processor', true) = 'on' then return null; end if;
  if tg_op = 'DELETE' then
    insert into row_change (table_name, row_id, before)
    select tg_table_name, to_jsonb(o) ->> 'id', to_jsonb(o) from old_rows o;
  else
    insert into row_change (table_name, row_id, before, after)
    select tg_table_name, changed.row_id, changed.was, changed.now
    from old_rows o join new_rows n on n.id = o.id
    cross join lateral (select to_jsonb(o) as was, to_jsonb(n) as now offset 0) whole
    cross join lateral (
      select o.id as row_id, jsonb_object_agg(key, whole.was -> key) as was, jsonb_object_agg(key, value) as now
      from jsonb_each(whole.now)
      where value is distinct from whole.was -> key and key not in ('updated_at', 'field_stamps', 'copy_of')
    ) changed
    where changed.was is not null;
  end if;
  return null;
end $$;

-- Frozen: later migrations call it for their tables.
-- announced: whether the outbox does not have its changes yet; of_unit: rows belong to executed units
create function follow_changes_v1(tbl text, announced boolean default true, of_unit boolean default false)
returns void language plpgsql as $create$
declare
  events constant jsonb := '{"insert": "new table as new_rows", "update": "old table as old_rows new table as new_rows", "delete": "old table as old_rows"}';
  event text;
  tables text;
begin
  for event, tables in select key, value from jsonb_each_text(events) loop
    if event <> 'insert' then
      execute format('create trigger %I after %s on %I referencing %s for each statement execute function note_row_changes()',
        format('%s_%s_kept', tbl, event), event, tbl, tables);
    end if;
    if of_unit then
      execute format('create trigger %I after %s on %I referencing %s for each statement execute function note_changes_of_unit()',
        format('%s_%s_of_unit', tbl, event), event, tbl, tables);
    end if;
    if announced then
      execute format('create trigger %I after %s on %I referencing %s for each statement execute function note_changes()',
        format('%s_%s_announced', tbl, event), event, tbl, tables);
    end if;
  end loop;
  if announced then
    execute format('create trigger %I after truncate on %I for each statement execute function note_truncate()',
      tbl || '_truncated', tbl);
  end if;
end $create$;

select follow_changes_v1('executed_obs_unit', announced => false);
select follow_changes_v1('raw_data_package', announced => false, of_unit => true);
select follow_changes_v1('raw_data_file', of_unit => true);
select follow_changes_v1('observation_note', of_unit => true);
select follow_changes_v1('data_transfer', announced => false);
select follow_changes_v1(each) from unnest(array['data_transfer_package', 'data_transfer_route', 'data_location',
  'long_term_archive_transfer', 'staging_job', 'physical_copy', 'obs_unit', 'observing_program', 'source', 'instrument']) each;
