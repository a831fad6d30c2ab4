-- Whether later transactions of its aggregates must wait for a transaction with missing reference `<table>:<id>`. A change of a row that
-- does not exist yet does not hold them: the transaction that creates the row comes first in any case.
create function holds_others(tx jsonb, missing text) returns boolean language sql stable
return cardinality(aggregates_of(tx)) > 1 or aggregates_started(tx) <> '{}'
  or coalesce(not tx -> 'record_ids' ? split_part(missing, ':', 2), true);
