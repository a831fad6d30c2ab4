-- What becomes of a transaction that main has recorded before under the id that another release gives it; null if it has not.
-- One that main knows under its own id, and tries again, is not the repeat of another.
create function judge_repeat(tx jsonb) returns jsonb language plpgsql as $$
declare
  earlier inbox;
begin
  if tx ? 'is_recorded' then return null; end if;
  -- two look-ups, each by its index: with both in one condition the whole table is read
  select * into earlier from inbox where alias = (tx ->> 'id')::uuid limit 1;
  if not found and tx ? 'alias' then
    select * into earlier from inbox where transaction_id = (tx ->> 'alias')::uuid;
  end if;
  if earlier.transaction_id is null then return null; end if;
  if earlier.outcome in ('applied', 'parked')
    and earlier.record_ids = array(select value::uuid from jsonb_array_elements_text(tx -> 'record_ids')) then
    return '{"outcome": "applied"}';
  end if;
  return jsonb_build_object('outcome', 'refused', 'reason', format('the same request was %s before, as transaction %s%s',
    case earlier.outcome when 'parked' then 'recorded' else earlier.outcome end, earlier.transaction_id,
    coalesce(': ' || earlier.reason, '')));
end $$;
