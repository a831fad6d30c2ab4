-- Whether the row `<table>:<id>` exists (format of inbox.waits_for).
create function reference_exists(reference text) returns boolean language plpgsql as $$
declare
  row_exists boolean;
begin
  execute format('select exists (select from %I where id = %L)', split_part(reference, ':', 1), split_part(reference, ':', 2))
  into row_exists;
  return row_exists;
end $$;
