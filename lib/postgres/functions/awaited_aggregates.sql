-- Returns at most `most` aggregates with a transaction whose missing reference exists now. Checks 200 different references per call,
-- from a random position, so that many permanently missing ones do not hide one that exists.
create function awaited_aggregates(most integer) returns uuid[] language plpgsql as $$
declare
  beginning bigint := hashtextextended(clock_timestamp()::text, 0);
  place bigint := beginning;
  has_wrapped boolean := false;
  reference text;
  found_aggregates uuid[] := '{}';
begin
  for looks in 1..200 loop
    select hashtextextended(waits_for, 0), waits_for into place, reference from inbox
    where outcome = 'parked' and parked_for = 'start' and waits_for is not null and hashtextextended(waits_for, 0) > place
    order by hashtextextended(waits_for, 0) limit 1;
    if not found then
      exit when has_wrapped;
      has_wrapped := true;
      place := -9223372036854775808;
      continue;
    end if;
    exit when has_wrapped and place > beginning;
    if reference_exists(reference) then
      found_aggregates := found_aggregates || array(
        select distinct unnest(coalesce(aggregates, array[aggregate_id])) from inbox
        where outcome = 'parked' and parked_for = 'start' and hashtextextended(waits_for, 0) = place and waits_for = reference
        limit most - cardinality(found_aggregates));
      exit when cardinality(found_aggregates) >= most;
    end if;
  end loop;
  return found_aggregates;
end $$;
