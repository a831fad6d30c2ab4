-- What main has recorded of these aggregates.
create function transactions_of(those uuid[]) returns setof inbox language sql stable as $$
  select i.* from inbox i where i.aggregate_id = any (those)
  union
  select i.* from inbox i where i.aggregates is not null and i.aggregates && those
$$;
