-- Whether an error is a data error of the transaction that raised it. A violated constraint counts only if it belongs to a buffered
-- table. Every other error is a fault of main.
create function is_data_error(state text, in_schema text, in_table text) returns boolean language sql stable
return exists (select from unnest(data_error_states()) prefix where starts_with(state, prefix))
  and (state not like '23%' or in_schema = 'public' and tables() ? in_table);
