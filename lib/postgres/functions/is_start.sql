-- Whether a transaction creates the record that everything else of its aggregate belongs to.
create function is_start(tx jsonb) returns boolean language sql stable
return exists (
  select from jsonb_array_elements(tx -> 'steps') step
  where step ->> 'kind' = 'create' and tables() -> (step ->> 'table') ->> 'aggregate' = 'self');
