-- Kinds and tables of a transaction's steps. If main is at fault, transactions of the same shape fail in the same way.
create function shape_of(tx jsonb) returns text language sql stable
return (
  select string_agg(distinct format('%s %s', step ->> 'kind', step ->> 'table') collate "C", ', ')
  from jsonb_array_elements(tx -> 'steps') step);
