-- Up Migration

create table api_token (
  id uuid primary key,
  principal text not null,
  name text not null,
  role text not null check (role in ('admin', 'observer', 'viewer', 'service')),
  permissions text not null,
  token_hash text not null unique,
  expires_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  field_stamps jsonb not null default '{}'
);
comment on table api_token is
  'API tokens by the SHA-256 of each. Made and revoked through the buffer, so that both work while main is away; '
  'what Redis has of them is loaded from here.';
comment on column api_token.permissions is 'action:resource, separated by spaces';

create trigger api_token_stamp before update on api_token
  for each row execute function stamp_changed_fields();

create or replace function buffered_row(tbl text, row_id uuid) returns jsonb language plpgsql as $$
declare
  found_row jsonb;
begin
  case tbl
    when 'executed_obs_unit' then
      select to_jsonb(t) into found_row from executed_obs_unit t where id = row_id for update;
    when 'raw_data_package' then
      select to_jsonb(t) into found_row from raw_data_package t where id = row_id for update;
    when 'raw_data_file' then
      select to_jsonb(t) into found_row from raw_data_file t where id = row_id for update;
    when 'api_token' then
      select to_jsonb(t) into found_row from api_token t where id = row_id for update;
  end case;
  return found_row;
end $$;

-- Down Migration

create or replace function buffered_row(tbl text, row_id uuid) returns jsonb language plpgsql as $$
declare
  found_row jsonb;
begin
  case tbl
    when 'executed_obs_unit' then
      select to_jsonb(t) into found_row from executed_obs_unit t where id = row_id for update;
    when 'raw_data_package' then
      select to_jsonb(t) into found_row from raw_data_package t where id = row_id for update;
    when 'raw_data_file' then
      select to_jsonb(t) into found_row from raw_data_file t where id = row_id for update;
  end case;
  return found_row;
end $$;

drop table api_token;
