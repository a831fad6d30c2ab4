-- The values of a step, with omitted times filled in: the start time from the stamp, the end time from the stamp but not before the start.
create function with_times(tx jsonb, step jsonb, present jsonb) returns jsonb language plpgsql as $$
declare
  vals jsonb := step -> 'values';
  times constant jsonb := tables() -> (step ->> 'table') -> 'times';
  stamped constant timestamptz := stamp_time((tx ->> 'stamp')::bigint);
  begun constant text := times ->> 'begin';
  ended constant text := times ->> 'end';
begin
  if times is null then return vals; end if;
  if step ->> 'kind' = 'create' and vals ->> begun is null then
    return vals || jsonb_build_object(begun, stamped);
  end if;
  if step ->> 'kind' = 'update' and step ? 'only_if' and (vals ->> ended is null or step -> 'filled' ? ended) then
    return vals || jsonb_build_object(ended,
      greatest(coalesce((vals ->> ended)::timestamptz, stamped), (present ->> begun)::timestamptz));
  end if;
  return vals;
end $$;
