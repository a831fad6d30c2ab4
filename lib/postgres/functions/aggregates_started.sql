-- The aggregates whose root row a transaction creates. The root row has the id of the aggregate.
create function aggregates_started(tx jsonb) returns uuid[] language sql stable
return array(
  select own from unnest(aggregates_of(tx)) own
  where exists (
    select from jsonb_array_elements(tx -> 'steps') step
    where step ->> 'kind' = 'create' and (step ->> 'id')::uuid = own
      or step ->> 'kind' = 'bulk_create' and step -> 'rows' @> jsonb_build_array(jsonb_build_object('id', own))));
