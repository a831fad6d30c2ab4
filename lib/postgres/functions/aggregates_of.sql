-- All aggregates of a transaction.
create function aggregates_of(tx jsonb) returns uuid[] language sql stable
return case jsonb_typeof(tx -> 'aggregates')
  when 'array' then array(
    select distinct value::uuid from jsonb_array_elements_text((tx -> 'aggregates') || (tx -> 'aggregate')))
  else array[(tx ->> 'aggregate')::uuid]
end;
