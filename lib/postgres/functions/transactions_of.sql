-- The inbox rows of these aggregates.
create function transactions_of(ids uuid[]) returns setof inbox language sql stable as $$
  select i.* from inbox i where i.aggregate_id = any (ids)
  union
  select i.* from inbox i where i.aggregates is not null and i.aggregates && ids
$$;
