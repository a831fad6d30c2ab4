-- When a field, or one that belongs to it, was last written: microseconds since 1970.
create function group_stamp(tbl text, field text, stamps jsonb) returns bigint language sql stable
return (select coalesce(max((stamps ->> member)::bigint), 0) from jsonb_array_elements_text(group_of(tbl, field)) member);
