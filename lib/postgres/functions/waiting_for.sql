-- The verdict on a transaction with reference `<table>:<id>` to a row that main does not have.
create function waiting_for(reference text) returns jsonb language sql stable
return jsonb_build_object('outcome', 'parked', 'parked_for', 'start', 'waits_for', reference, 'reason', format(
  '%s %s is not known to main', coalesce(referenced_tables() ->> split_part(reference, ':', 1), split_part(reference, ':', 1)), split_part(reference, ':', 2)));
