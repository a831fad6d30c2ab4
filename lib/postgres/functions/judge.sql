-- Checks whether a transaction can be applied, without changing anything. Returns null, or
-- {outcome, parked_for?, waits_for?, reason?}.
create function judge(tx jsonb) returns jsonb language plpgsql as $$
declare
  step jsonb;
  item jsonb;
  tbl text;
  row_id uuid;
  present jsonb;
  missing text;
  field text;
  made uuid[] := '{}';
  repeated text;
  needed constant text := tx ->> 'waits_for';
begin
  -- a row that it changes itself is looked for below
  if needed is not null and not tx -> 'record_ids' ? split_part(needed, ':', 2) and not reference_exists(needed) then
    return waiting_for(needed);
  end if;
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    tbl := step ->> 'table';
    case step ->> 'kind'
    when 'create', 'bulk_create' then
      for item in
        select value from jsonb_array_elements(case when step ? 'rows' then step -> 'rows' else jsonb_build_array(step) end)
      loop
        row_id := (item ->> 'id')::uuid;
        if exists (select from tombstone where table_name = tbl and id = row_id) then
          return jsonb_build_object('outcome', 'refused', 'reason', format('%s %s was deleted', tbl, row_id));
        end if;
        present := buffered_row(tbl, row_id);
        if present is not null then
          repeated := format('%s %s already exists', tbl, row_id);
          -- ignore fields that were written since: their values at creation are unknown
          if exists (
            select from jsonb_each(item -> 'values') given
            where not present -> 'field_stamps' ? given.key and jsonb_typeof(given.value) <> 'null'
              and not has_value(present -> given.key, case jsonb_typeof(given.value) when 'object' then (
                select coalesce(jsonb_object_agg(part.key, part.value), '{}') from jsonb_each(given.value) part
                where not present -> 'field_stamps' ? (given.key || '.' || part.key)) else given.value end)
          ) then
            return jsonb_build_object('outcome', 'refused', 'reason', repeated || ' with different values');
          end if;
          continue;
        end if;
        missing := missing_reference(tbl, item -> 'values', made);
        if missing is not null then
          return waiting_for(missing);
        end if;
        made := made || row_id;
      end loop;
    when 'update' then
      row_id := (step ->> 'id')::uuid;
      if row_id = any (made) then continue; end if;
      present := buffered_row(tbl, row_id);
      if present is null then
        -- a delete by plain SQL leaves no tombstone, but the inbox shows that the row existed
        if exists (select from tombstone where table_name = tbl and id = row_id)
          or exists (select from transactions_of(aggregates_of(tx)) i where i.outcome = 'applied'
            and row_id = any (i.record_ids)) then
          return jsonb_build_object('outcome', 'refused', 'reason', format('%s %s was deleted', tbl, row_id));
        end if;
        if exists (select from transactions_of(aggregates_of(tx)) i where i.outcome = 'discarded'
            and row_id = any (i.record_ids) and i.steps @> '[{"kind": "create"}]') then
          return jsonb_build_object('outcome', 'parked', 'parked_for', 'failed',
            'reason', format('the start of %s was discarded', row_id));
        end if;
        return jsonb_build_object('outcome', 'parked', 'parked_for', 'start', 'waits_for', format('%s:%s', tbl, row_id),
          'reason', format('no record was started with id %s', row_id));
      end if;
      missing := unmet_condition(step, (tx ->> 'stamp')::bigint, present);
      if missing is not null then
        if (select bool_and(has_value(present -> given.key, given.value))
            from jsonb_each(step -> 'values') given
            where coalesce(step -> 'given', case when step ? 'only_if' then '[]' else '["*"]'::jsonb end) ?| array[given.key, '*']) then
          return '{"outcome": "applied"}';
        end if;
        return jsonb_build_object('outcome', 'refused', 'reason', missing);
      end if;
      for field in select jsonb_object_keys(step -> 'only_if') loop
        if (tx ->> 'stamp')::bigint <= group_stamp(tbl, field, present -> 'field_stamps') then
          return jsonb_build_object('outcome', 'refused', 'reason',
            format('its %s was changed at main after this was accepted, at %s, and is now %s', field,
              stamp_time(group_stamp(tbl, field, present -> 'field_stamps')), present ->> field));
        end if;
      end loop;
      missing := missing_reference(tbl, step -> 'values', made);
      if missing is not null then return waiting_for(missing); end if;
    else null;
    end case;
  end loop;

  if repeated is null then return null; end if;
  -- every row that it creates already exists with the same values
  if made = '{}' and not tx @? '$.steps[*] ? (@.kind != "create" && @.kind != "bulk_create")' then
    return '{"outcome": "applied"}';
  end if;
  return jsonb_build_object('outcome', 'refused', 'reason', repeated);
end $$;
