-- Sets aside a transaction that makes every call fail, until an admin retries or discards it. `raw` is its text if its steps cannot be
-- stored as jsonb. A decision that fails in this way is refused. Returns the inbox row.
create function set_aside(heading jsonb, why text, steps jsonb, raw text) returns jsonb
language plpgsql set search_path from current as $$
declare
  recorded jsonb;
begin
  perform set_config('ops.processor', 'on', true);
  perform lock_aggregates(aggregates_of(heading));
  if not exists (select from inbox where transaction_id = (heading ->> 'id')::uuid) then
    perform record_outcomes(
      array[heading || case when steps is null then '{}' else jsonb_build_object('steps', steps) end],
      array[case when heading -> 'is_decision' = 'true' then jsonb_build_object('outcome', 'refused', 'reason', why)
      else jsonb_build_object('outcome', 'parked', 'parked_for', 'failed', 'waits_for', 'retry', 'reason', why, 'raw', raw) end]);
  end if;
  select to_jsonb(i) into recorded from inbox i where transaction_id = (heading ->> 'id')::uuid;
  return recorded;
end $$;
