-- What a transaction does, without what it does it to: transactions of one shape fail alike if main itself is at fault.
create function shape_of(tx jsonb) returns text language sql stable
return (
  select string_agg(distinct format('%s %s', step ->> 'kind', step ->> 'table') collate "C", ', ')
  from jsonb_array_elements(tx -> 'steps') step);
