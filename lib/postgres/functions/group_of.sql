-- The group of fields that win or lose together, including `field`, as a JSON array.
create function group_of(tbl text, field text) returns jsonb language sql stable
return coalesce(
  (select members from jsonb_array_elements(tables() -> tbl -> 'groups') members where members ? field),
  jsonb_build_array(field));
