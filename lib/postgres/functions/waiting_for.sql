-- The verdict on a transaction for which `<table>:<id>`, which others bring, is missing at main.
create function waiting_for(thing text) returns jsonb language sql stable
return jsonb_build_object('outcome', 'parked', 'parked_for', 'start', 'waits_for', thing, 'reason', format(
  '%s %s is not known to main', coalesce(things() ->> split_part(thing, ':', 1), split_part(thing, ':', 1)), split_part(thing, ':', 2)));
