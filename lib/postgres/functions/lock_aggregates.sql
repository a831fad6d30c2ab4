-- Locks aggregates so that no two calls judge the same one concurrently, in a fixed order to avoid deadlocks. The previous release
-- takes the same locks.
create function lock_aggregates(aggregates uuid[]) returns void language plpgsql as $$
declare
  bucket bigint;
begin
  for bucket in select distinct abs(hashtextextended(a::text, 0) % 512) from unnest(aggregates) a order by 1 loop
    perform pg_advisory_xact_lock(7305, bucket::integer);
  end loop;
end $$;
