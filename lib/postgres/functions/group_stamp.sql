-- Stamp of the last write to a field or to another of its group: microseconds since 1970.
create function group_stamp(tbl text, field text, stamps jsonb) returns bigint language sql stable
return (select coalesce(max((stamps ->> member)::bigint), 0) from jsonb_array_elements_text(group_of(tbl, field)) member);
