-- These aggregates, and all aggregates of transactions parked in one of them: applying such a transaction changes all of them.
create function involved_aggregates(aggregates uuid[]) returns uuid[] language plpgsql stable as $$
declare
  most_rounds constant integer := 5;
  known uuid[] := aggregates;
  all_known uuid[];
begin
  for round in 1..most_rounds loop
    all_known := array(
      select unnest(known)
      union
      select unnest(i.aggregates) from inbox i
      where i.outcome = 'parked' and i.aggregates is not null and i.aggregates && known);
    exit when cardinality(all_known) <= cardinality(known);
    known := all_known;
  end loop;
  return known;
end $$;
