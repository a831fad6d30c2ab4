create function insert_row(tbl text, row_id uuid, vals jsonb) returns void language plpgsql as $$
declare
  row_json jsonb := vals || jsonb_build_object('id', row_id);
  columns text;
begin
  select string_agg(quote_ident(key), ', ') into columns from jsonb_object_keys(row_json) as key;
  execute format('insert into %1$I (%2$s) select %2$s from jsonb_populate_record(null::%1$I, $1)', tbl, columns)
    using row_json;
end $$;
