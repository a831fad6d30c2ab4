-- The verdict on a data error. A violated foreign key means that a referenced row is missing; the detail names it.
create function verdict_of_error(state text, message text, detail text) returns jsonb language sql stable
return jsonb_build_object('outcome', 'parked', 'reason', format('%s (SQLSTATE %s)', message, state)) || case
  when state = '23503' and detail !~ 'still referenced' then jsonb_build_object('parked_for', 'start', 'waits_for',
    substring(detail from 'is not present in table "(\w+)"') || ':' || substring(detail from '^Key \(\w+\)=\(([^)]+)\)'))
  else '{"parked_for": "failed"}' end;
