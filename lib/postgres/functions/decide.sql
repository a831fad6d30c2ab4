-- Executes retries and discards on the inbox. Returns null, or the reason of a refusal. A transaction that main has not received can be
-- discarded if it is in the same batch or the step contains its heading; main then ignores it when it arrives.
create function decide(tx jsonb, batch jsonb) returns text language plpgsql as $$
declare
  step jsonb;
  target_id uuid;
  target inbox;
  unseen jsonb;
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    target_id := (step ->> 'transaction')::uuid;
    select * into target from inbox where transaction_id = target_id for update;
    if not found then
      update unreadable_message set tried_at = null, outcome = case step ->> 'kind' when 'discard' then 'discarded' end
      where id = target_id and outcome is distinct from 'read';
      if not found then
        if step ->> 'kind' = 'retry' then
          return format('main has not received transaction %s yet and will try it without a retry', target_id);
        end if;
        unseen := jsonb_path_query_first(batch, '$[*] ? (@.id == $id)', jsonb_build_object('id', target_id));
        if unseen is null and step ? 'target' then
          unseen := (step -> 'target') || jsonb_build_object('id', target_id, 'operation', 'unseen', 'record_ids', '[]'::jsonb);
        end if;
        if unseen is null then return format('transaction %s is not known to main', target_id); end if;
        perform record_outcomes(array[unseen], array[jsonb_build_object('outcome', 'discarded', 'reason', step ->> 'reason')]);
      end if;
    elsif target.outcome = 'applied' then
      return format('transaction %s has been applied', target_id);
    elsif step ->> 'kind' = 'retry' then
      if target.outcome <> 'parked' then
        return format('transaction %s was %s, which is final', target_id, target.outcome);
      end if;
      update inbox set waits_for = nullif(waits_for, 'retry'),
        steps = coalesce(steps, case when pg_input_is_valid(raw, 'jsonb') then raw::jsonb -> 'steps' end)
      where transaction_id = target_id;
    elsif target.outcome <> 'discarded' then
      update inbox set outcome = 'discarded', parked_for = null, waits_for = null, overdue = false,
        reason = step ->> 'reason', revision = revision + 1, changed_at = clock_timestamp()
      where transaction_id = target_id;
    end if;
    insert into transaction_audit (transaction_id, decided_by, action, principal, reason, at)
    values (target_id, (tx ->> 'id')::uuid, step ->> 'kind', tx ->> 'principal', step ->> 'reason',
      stamp_time((tx ->> 'stamp')::bigint))
    on conflict do nothing;
  end loop;
  return null;
end $$;
