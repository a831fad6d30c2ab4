-- Whether a transaction is a decision: a retry or discard of another one.
create function is_decision(tx jsonb) returns boolean language sql stable
return tx @? '$.steps[*] ? (@.kind == "retry" || @.kind == "discard")';
