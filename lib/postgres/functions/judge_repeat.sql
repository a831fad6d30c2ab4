-- The verdict on a transaction that main has already recorded under the id that another release derives for it; null if it has not.
-- A retry of a recorded transaction under its own id is not such a repeat.
create function judge_repeat(tx jsonb) returns jsonb language plpgsql as $$
declare
  earlier inbox;
begin
  if tx ? 'is_recorded' then return null; end if;
  -- two look-ups, each by index: one condition for both would scan the table
  select * into earlier from inbox where alias = (tx ->> 'id')::uuid limit 1;
  if not found and tx ? 'alias' then
    select * into earlier from inbox where transaction_id = (tx ->> 'alias')::uuid;
  end if;
  if earlier.transaction_id is null then return null; end if;
  if earlier.outcome in ('applied', 'parked')
    and earlier.record_ids = array(select value::uuid from jsonb_array_elements_text(tx -> 'record_ids')) then
    return '{"outcome": "applied"}';
  end if;
  return jsonb_build_object('outcome', 'refused', 'reason', format('an identical request was already %s, as transaction %s%s',
    case earlier.outcome when 'parked' then 'recorded' else earlier.outcome end, earlier.transaction_id,
    coalesce(': ' || earlier.reason, '')));
end $$;
