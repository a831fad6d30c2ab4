-- The first row that a new row references and main does not have, as `<table>:<id>`; null if none is missing.
create function missing_reference(tbl text, vals jsonb, made uuid[]) returns text language plpgsql as $$
declare
  field text;
  referenced text;
begin
  for field, referenced in select key, value from jsonb_each_text(tables() -> tbl -> 'references') loop
    if vals ->> field is null or vals ->> field = any (made::text[]) then continue; end if;
    if not reference_exists(referenced || ':' || (vals ->> field)) then return referenced || ':' || (vals ->> field); end if;
  end loop;
  return null;
end $$;
