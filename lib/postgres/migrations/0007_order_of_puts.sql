-- Up Migration

create or replace function perform_steps(tx jsonb) returns void language plpgsql as $$
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
end $$;

-- Down Migration

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
