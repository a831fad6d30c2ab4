create function update_row(tbl text, row_id uuid, vals jsonb, stamp bigint, present jsonb) returns void
language plpgsql as $$
declare
  changed constant jsonb := changed_values(tbl, vals, stamp, present);
  columns text;
begin
  if changed is null then return; end if;
  select string_agg(quote_ident(key), ', ') into columns from jsonb_object_keys(changed) as key;
  execute format('update %1$I set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$I, $1)) where id = $2',
    tbl, columns) using changed, row_id;
end $$;
