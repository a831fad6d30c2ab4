-- Fast path: applies simple transactions in bulk, with one statement for all that write the same columns of a table. A transaction is
-- simple if it is the first of its aggregate and has one step, which creates a new row without missing references, or updates a row
-- that meets its conditions. `judge` would accept each of them. Returns the remaining work in order.
create function apply_plain(inout work jsonb[], inout shapes text[]) language plpgsql as $$
declare
  least constant integer := 2;
  kind text;
  tbl text;
  columns text;
  places integer[];
  plain jsonb[];
  nothing_missing text;
  row_ids uuid[];
  changes jsonb[];
  done integer[] := '{}';
begin
  for kind, tbl, columns, places, plain in
    with first as (
      select distinct on ((t ->> 'aggregate')::uuid) place, t, t -> 'steps' -> 0 as step
      from unnest(work) with ordinality w(t, place)
      order by (t ->> 'aggregate')::uuid, place
    )
    select step ->> 'kind', step ->> 'table', written.columns, array_agg(place), array_agg(t)
    from first cross join lateral (
      select string_agg(quote_ident(key), ', ' order by key) as columns from jsonb_object_keys(with_times(t, step, null)) key
    ) written
    where jsonb_array_length(t -> 'steps') = 1 and written.columns is not null and step ->> 'kind' in ('create', 'update') and tables() ? (step ->> 'table')
      and t -> 'is_held' is distinct from 'true' and coalesce(t ->> 'group', t ->> 'aggregates', t ->> 'waits_for') is null
      -- no transaction of several aggregates in the work includes its aggregate
      and (t ->> 'aggregate')::uuid not in (select unnest(aggregates_of(o)) from unnest(work) o where o ->> 'aggregates' is not null)
      -- the work does not contain the same request under the ids of two releases
      and t ->> 'id' not in (select o ->> 'alias' from unnest(work) o where o ? 'alias')
      and (not t ? 'alias' or t ->> 'alias' not in (select o ->> 'id' from unnest(work) o))
      and judge_repeat(t) is null
    group by 1, 2, 3 having count(*) >= least
  loop
    if kind = 'create' then
      select string_agg(format('and (r.%1$I is null or (select true from %2$I f where f.id = r.%1$I))', key, value), ' ')
      into nothing_missing from jsonb_each_text(tables() -> tbl -> 'references');
      execute format($create$
        with plain as (
          select w.place as place_of_work, r.*
          from unnest($1, $2) w(place, t)
          cross join lateral (select t -> 'steps' -> 0 as step) s
          -- look up each row by index: a join might scan the table
          left join lateral (select true from %1$I where id = (step ->> 'id')::uuid limit 1) p(row_exists) on true
          cross join lateral jsonb_populate_record(null::%1$I, with_times(t, step, null) || jsonb_build_object('id', step -> 'id')) r
          where p.row_exists is null
            and (select true from tombstone d where d.table_name = %1$L and d.id = r.id) is null %3$s
        ), made as (insert into %1$I (id, %2$s) select id, %2$s from plain)
        select array_agg(place_of_work) from plain
      $create$, tbl, columns, nothing_missing) into places using places, plain;
    else
      execute format($present$
        select array_agg(place), array_agg(id), array_agg(changed_values(%1$L, with_times(t, step, present), stamp, present))
        from unnest($1, $2) w(place, t)
        cross join lateral (select t -> 'steps' -> 0 as step, (t ->> 'stamp')::bigint as stamp) s
        cross join lateral (select e.id, to_jsonb(e) as present from %1$I e where e.id = (step ->> 'id')::uuid for update) p
        where unmet_condition(step, stamp, present) is null and not exists (
          select from jsonb_object_keys(step -> 'only_if') field
          where stamp <= group_stamp(%1$L, field, present -> 'field_stamps'))
      $present$, tbl) into places, row_ids, changes using places, plain;
      execute format($update$
        update %1$I e set (%2$s, field_stamps, updated_at) =
          (select %2$s, field_stamps, updated_at from jsonb_populate_record(e, changed))
        from unnest($1, $2) c(id, changed) where e.id = c.id and changed is not null
      $update$, tbl, columns) using row_ids, changes;
    end if;
    if places is null then continue; end if;
    perform record_outcomes(array(select work[place] from unnest(places) place),
      array_fill('{"outcome": "applied"}'::jsonb, array[cardinality(places)]));
    done := done || places;
    shapes := shapes || format('%s %s', kind, tbl);
  end loop;
  work := array(
    select t from unnest(work) with ordinality w(t, place) where place not in (select unnest(done)) order by place);
end $$;
