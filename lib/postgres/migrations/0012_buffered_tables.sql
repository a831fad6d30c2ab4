-- Up Migration

-- What a transaction brings with it besides its steps, while and after it is executed.
alter table inbox
  add column site text,
  add column request_id text,
  add column group_id uuid,
  add column aggregates uuid[];
comment on column inbox.site is 'the site that accepted it, where several write to one main';
comment on column inbox.request_id is 'of the request that brought it';
comment on column inbox.group_id is 'members of a group are applied together or not at all';
comment on column inbox.aggregates is 'every aggregate that it changes, if there are several';

-- Makes a table one whose rows are recorded through the buffer: the columns that the processor needs, the triggers, the foreign
-- key, the states. A migration creates the table with `id uuid primary key` and its own columns, then calls this.
--
-- Frozen, as a migration that was applied is: whoever runs the migrations a year later gets the tables that were made then. What
-- must change becomes a `_v2` beside it. So it does not stand with the functions of a release, which are made anew at each
-- deployment and dropped with their release.
--
-- parent:      column `<table>_id` that names the row to which a row belongs
-- together:    each text names columns, separated by commas, that are written together
-- states:      column -> its states; which may follow which stands in tables.ts, since plain SQL may set what it likes
-- feed:        whether changes by other programs are told to the site
-- append_only: rows are never changed
create function make_buffered_v1(
  tbl text,
  parent text default null,
  together text[] default '{}',
  states jsonb default '{}',
  feed boolean default true,
  append_only boolean default false
) returns void language plpgsql as $$
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
end $$;
