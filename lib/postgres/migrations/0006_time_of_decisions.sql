-- Up Migration

comment on column transaction_audit.at is 'when it was decided, which may be long before main learnt of it';

create or replace function decide(tx jsonb) returns text language plpgsql as $$
declare
  step jsonb;
  target inbox;
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    select * into target from inbox where transaction_id = (step ->> 'transaction')::uuid for update;
    if target.transaction_id is null then
      return format('transaction %s is not known to main', step ->> 'transaction');
    end if;
    if target.outcome = 'applied' then
      return format('transaction %s has been applied', step ->> 'transaction');
    end if;
    if step ->> 'kind' = 'discard' and target.outcome <> 'discarded' then
      update inbox set outcome = 'discarded', parked_for = null, overdue = false, reason = step ->> 'reason',
        revision = revision + 1, changed_at = clock_timestamp()
      where transaction_id = target.transaction_id;
    end if;
    insert into transaction_audit (transaction_id, decided_by, action, principal, reason, at)
    values (target.transaction_id, (tx ->> 'id')::uuid, step ->> 'kind', tx ->> 'principal', step ->> 'reason',
      to_timestamp((tx ->> 'stamp')::numeric / 1000000))
    on conflict do nothing;
  end loop;
  return null;
end $$;

-- Down Migration

comment on column transaction_audit.at is null;

create or replace function decide(tx jsonb) returns text language plpgsql as $$
declare
  step jsonb;
  target inbox;
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    select * into target from inbox where transaction_id = (step ->> 'transaction')::uuid for update;
    if target.transaction_id is null then
      return format('transaction %s is not known to main', step ->> 'transaction');
    end if;
    if target.outcome = 'applied' then
      return format('transaction %s has been applied', step ->> 'transaction');
    end if;
    if step ->> 'kind' = 'discard' and target.outcome <> 'discarded' then
      update inbox set outcome = 'discarded', parked_for = null, overdue = false, reason = step ->> 'reason',
        revision = revision + 1, changed_at = clock_timestamp()
      where transaction_id = target.transaction_id;
    end if;
    insert into transaction_audit (transaction_id, decided_by, action, principal, reason)
    values (target.transaction_id, (tx ->> 'id')::uuid, step ->> 'kind', tx ->> 'principal', step ->> 'reason')
    on conflict do nothing;
  end loop;
  return null;
end $$;
