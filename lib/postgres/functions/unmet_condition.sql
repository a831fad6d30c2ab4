-- The reason why an update may not be applied to a row: a column does not have the required value, or may not change to the step's
-- state. Null if it may be applied. A state that a later write has already replaced loses like any other field.
create function unmet_condition(step jsonb, stamp bigint, present jsonb) returns text language plpgsql stable as $$
declare
  tbl constant text := step ->> 'table';
  transitions constant jsonb := tables() -> tbl -> 'transitions';
  field text;
  following jsonb;
begin
  if step ? 'only_if' and not present @> (step -> 'only_if') then
    return case when tables() -> tbl ? 'times' then format('it had already ended as %s with different values', present ->> 'status')
    else format('its values do not allow this change: %s', (
      select string_agg(format('%s is %s', must.key, coalesce(present ->> must.key, 'empty')), ', ' order by must.key)
      from jsonb_each(step -> 'only_if') must where present -> must.key is distinct from must.value)) end;
  end if;
  if step -> 'corrects' = 'true' then return null; end if;
  for field, following in select * from jsonb_each(transitions) loop
    continue when not step -> 'values' ? field or present -> field = step -> 'values' -> field
      or stamp <= group_stamp(tbl, field, present -> 'field_stamps')
      or coalesce(following -> (present ->> field), '[]') ? (step -> 'values' ->> field);
    return format('its %s is %s and cannot become %s', field, present ->> field, step -> 'values' ->> field);
  end loop;
  return null;
end $$;
