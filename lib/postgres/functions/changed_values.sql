-- The values that an update changes in a row, with new field stamps and `updated_at`; null if nothing changes. The last writer wins
-- per field, by stamp. Objects are merged by key. Fields of a group win or lose together.
create function changed_values(tbl text, vals jsonb, stamp bigint, present jsonb) returns jsonb language plpgsql stable as $$
declare
  stamps constant jsonb := present -> 'field_stamps';
  changed jsonb := '{}';
  stamped jsonb := '{}';
  field text;
  val jsonb;
  newer jsonb;
  newer_stamps jsonb;
begin
  for field, val in select * from jsonb_each(vals) loop
    if jsonb_typeof(val) = 'object' then
      -- merge all keys at once: merging one by one would copy the object each time
      select jsonb_object_agg(key, value), jsonb_object_agg(field || '.' || key, stamp) into newer, newer_stamps
      from jsonb_each(val)
      where stamp > greatest((stamps ->> (field || '.' || key))::bigint, (stamps ->> field)::bigint, 0);
      if newer is null then continue; end if;
      changed := changed || jsonb_build_object(field,
        case jsonb_typeof(present -> field) when 'object' then present -> field else '{}' end || newer);
      stamped := stamped || newer_stamps;
    elsif stamp > group_stamp(tbl, field, stamps) then
      changed := changed || jsonb_build_object(field, val);
      stamped := stamped || (select jsonb_object_agg(member, stamp) from jsonb_array_elements_text(group_of(tbl, field)) member);
    end if;
  end loop;
  if changed = '{}' then return null; end if;
  return changed || jsonb_build_object('field_stamps', stamps || stamped, 'updated_at', clock_timestamp());
end $$;
