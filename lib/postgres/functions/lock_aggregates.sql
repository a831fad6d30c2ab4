-- Locks aggregates in a fixed order: no two calls judge one at the same time, nor wait in a circle. The landed release takes
-- the same locks.
create function lock_aggregates(aggregates uuid[]) returns void language plpgsql as $$
declare
  bucket bigint;
begin
  for bucket in select distinct abs(hashtextextended(a::text, 0) % 512) from unnest(aggregates) a order by 1 loop
    perform pg_advisory_xact_lock(7305, bucket::integer);
  end loop;
end $$;
