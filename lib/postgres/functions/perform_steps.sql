create function perform_steps(tx jsonb) returns void language plpgsql as $$
declare
  step jsonb;
  item jsonb;
  tbl text;
  row_id uuid;
  stamp bigint := (tx ->> 'stamp')::bigint;
  present jsonb;
  put_stamp bigint;
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    tbl := step ->> 'table';
    row_id := (step ->> 'id')::uuid;
    case step ->> 'kind'
    when 'create' then
      perform insert_row(tbl, row_id, with_times(tx, step, null));
    when 'put' then
      -- a put does not require to know whether the row exists: the site may have lost it
      present := buffered_row(tbl, row_id);
      -- a row with its own stamp is ordered by it, as at the site, and not by when it is recorded
      put_stamp := coalesce((step -> 'values' ->> 'stamp')::bigint, stamp);
      if present is null then
        perform insert_row(tbl, row_id, step -> 'values');
      elsif coalesce((present ->> 'stamp')::bigint, 0) <= put_stamp then
        perform update_row(tbl, row_id, step -> 'values', put_stamp, present);
      end if;
    when 'bulk_create' then
      for item in select value from jsonb_array_elements(step -> 'rows') loop
        perform insert_row(tbl, (item ->> 'id')::uuid, item -> 'values');
      end loop;
    when 'update' then
      present := buffered_row(tbl, row_id);
      perform update_row(tbl, row_id, with_times(tx, step, present), stamp, present);
    when 'delete' then
      execute format('delete from %I where id = $1', tbl) using row_id;
      insert into tombstone values (tbl, row_id, stamp) on conflict do nothing;
      -- nothing brings back what they wait for
      update inbox set outcome = 'refused', parked_for = null, waits_for = null, overdue = false,
        reason = format('%s %s was deleted', tbl, row_id), revision = revision + 1, changed_at = clock_timestamp()
      where aggregate_id = (tx ->> 'aggregate')::uuid and outcome = 'parked' and parked_for = 'start'
        and waits_for = format('%s:%s', tbl, row_id);
    else null; -- `decide` has already executed retry and discard
    end case;
  end loop;
end $$;
