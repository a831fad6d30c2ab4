-- Whether the later ones of its aggregates wait behind a transaction for which `<table>:<id>` is missing. What changes a row that
-- nobody has made yet holds nobody: whatever makes the row comes before all of them.
create function holds_others(tx jsonb, missing text) returns boolean language sql stable
return cardinality(aggregates_of(tx)) > 1 or aggregates_started(tx) <> '{}'
  or coalesce(not tx -> 'record_ids' ? split_part(missing, ':', 2), true);
