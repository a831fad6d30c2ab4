-- Sorts transactions in the order in which they are applied: by stamp, but a transaction comes after the start of its aggregates, because
-- the clocks of accept instances differ. A place is a stamp and the number of starts with this stamp that come before. Two rounds are
-- enough for a transaction that needs a start that itself needs a start. The same order as `inOrder` in reads.
create function in_order(work jsonb[]) returns jsonb[] language sql stable
return (
  with transactions as materialized (
    select n, t, (t ->> 'stamp')::bigint as stamp, aggregates_of(t) as aggregates, aggregates_started(t) as starts
    from unnest(work) with ordinality w(t, n)
  ), members as materialized (
    select n, stamp, aggregate, aggregate = any (starts) as is_start from transactions, unnest(aggregates) aggregate
  ), first_starts as (
    select aggregate, min(array[stamp, 0]) as place from members where is_start group by aggregate
  ), first_places as materialized (
    select n, greatest(array[stamp, 0], max(array[place[1], place[2] + 1]) filter (where place is not null)) as place
    from members left join first_starts s on s.aggregate = members.aggregate and not is_start
    group by n, stamp
  ), starts as (
    select aggregate, min(place) as place from members join first_places using (n) where is_start group by aggregate
  ), places as (
    select n, greatest(array[stamp, 0], max(array[place[1], place[2] + 1]) filter (where place is not null)) as place
    from members left join starts s on s.aggregate = members.aggregate and not is_start
    group by n, stamp
  )
  select coalesce(array_agg(t order by place, stamp, t ->> 'id'), '{}') from transactions join places using (n));
