-- Whether a transaction decides about others: it retries or discards them.
create function is_decision(tx jsonb) returns boolean language sql stable
return tx @? '$.steps[*] ? (@.kind == "retry" || @.kind == "discard")';
