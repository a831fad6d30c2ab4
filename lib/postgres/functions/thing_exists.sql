-- Whether `<table>:<id>`, as inbox.waits_for names it, is there.
create function thing_exists(thing text) returns boolean language plpgsql as $$
declare
  is_there boolean;
begin
  execute format('select exists (select from %I where id = %L)', split_part(thing, ':', 1), split_part(thing, ':', 2))
  into is_there;
  return is_there;
end $$;
