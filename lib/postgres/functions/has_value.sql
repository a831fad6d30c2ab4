-- Whether a column has the value that a client gave. An object must contain the given keys. Instants may be spelled differently.
create function has_value(present jsonb, given jsonb) returns boolean language sql stable
return case
  when present is not distinct from given then true
  when jsonb_typeof(given) = 'object' then coalesce(present @> given, false)
  when jsonb_typeof(present) <> 'string' or jsonb_typeof(given) <> 'string' then false
  when present #>> '{}' !~ '^\d{4,}-\d{2}-\d{2}T' or given #>> '{}' !~ '^\d{4,}-\d{2}-\d{2}T' then false
  when not pg_input_is_valid(present #>> '{}', 'timestamptz') or not pg_input_is_valid(given #>> '{}', 'timestamptz') then false
  else (present #>> '{}')::timestamptz = (given #>> '{}')::timestamptz
end;
