-- Whether an error is about the transaction in which it was raised. A constraint of a table that the buffer does not write
-- is none of its data; every other error is about main itself.
create function judges(state text, in_schema text, in_table text) returns boolean language sql stable
return exists (select from unnest(judging_states()) prefix where starts_with(state, prefix))
  and (state not like '23%' or in_schema = 'public' and tables() ? in_table);
