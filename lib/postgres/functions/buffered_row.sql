-- The row of a buffered table as JSON, locked; null if it does not exist.
create function buffered_row(tbl text, row_id uuid) returns jsonb language plpgsql as $$
declare
  found_row jsonb;
begin
  -- an append-only row needs no lock, and the role may lack the permission to lock it
  execute format('select to_jsonb(t) from %I t where id = $1%s', tbl,
    case when tables() -> tbl -> 'isAppendOnly' = 'true' then '' else ' for update' end)
  into found_row using row_id;
  return found_row;
end $$;
