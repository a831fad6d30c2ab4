-- The schema as the migrations make it. Written by: npm run db:dump

create table api_token (
  created_at timestamp with time zone not null default clock_timestamp(),
  expires_at timestamp with time zone,
  field_stamps jsonb not null default '{}'::jsonb,
  id uuid not null,
  last_used_at timestamp with time zone,
  name text not null,
  permissions text not null,
  principal text not null,
  revoked_at timestamp with time zone,
  role text not null,
  token_hash text not null,
  updated_at timestamp with time zone not null default clock_timestamp(),
  usage_count bigint not null default 0
);

create table audit_event (
  action text not null,
  at timestamp with time zone not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  detail jsonb not null default '{}'::jsonb,
  field_stamps jsonb not null default '{}'::jsonb,
  id uuid not null,
  principal text not null,
  subject text not null,
  updated_at timestamp with time zone not null default clock_timestamp()
);

create table change_outbox (
  changed_at timestamp with time zone not null default clock_timestamp(),
  id bigint not null generated as identity,
  is_reset boolean not null default false,
  left_obs_unit_id integer,
  row_id text not null,
  table_name text not null,
  xid xid8 not null default pg_current_xact_id()
);

create table change_outbox_pruned (
  id bigint not null,
  is_only boolean not null default true,
  xid xid8 not null
);

create table constant_elevation_source (
  az_max_deg double precision,
  az_min_deg double precision,
  dec_max_deg double precision,
  dec_min_deg double precision,
  elevation_deg double precision not null,
  id integer not null,
  ra_max_deg double precision,
  ra_min_deg double precision
);

create table data_location (
  active boolean not null default true,
  capacity_bytes bigint,
  checked_at timestamp with time zone,
  id integer not null generated as identity,
  location_type text not null,
  name text not null,
  priority integer not null default 0,
  site_id integer not null,
  storage_type text not null,
  used_bytes bigint
);

create table data_transfer (
  bytes_transferred bigint,
  data_transfer_package_id integer,
  data_transfer_route_id integer,
  destination_location_id integer,
  ended_at timestamp with time zone,
  failure_error_message text,
  id integer not null generated as identity,
  origin_location_id integer,
  rate_bytes_s double precision,
  retry_count integer not null default 0,
  started_at timestamp with time zone,
  status text not null default 'pending'::text,
  unpack_ended_at timestamp with time zone,
  unpack_retry_count integer not null default 0,
  unpack_started_at timestamp with time zone,
  unpack_status text not null default 'pending'::text
);

create table data_transfer_log (
  at timestamp with time zone not null default clock_timestamp(),
  data_transfer_id integer not null,
  detail jsonb not null default '{}'::jsonb,
  id bigint not null generated as identity,
  level text not null default 'info'::text,
  message text not null
);

create table data_transfer_package (
  checksum text,
  created_at timestamp with time zone not null default now(),
  failure_error_message text,
  id integer not null generated as identity,
  name text not null,
  origin_location_id integer,
  retry_count integer not null default 0,
  size_bytes bigint not null default 0,
  status text not null default 'pending'::text
);

create table data_transfer_package_physical_copy (
  data_transfer_package_id integer not null,
  id bigint not null
);

create table data_transfer_route (
  active boolean not null default true,
  destination_location_id integer,
  destination_site_id integer not null,
  id integer not null generated as identity,
  method text not null default 'bbcp'::text,
  name text,
  origin_location_id integer,
  origin_site_id integer not null,
  priority integer not null default 0,
  relay_site_id integer,
  route_type text not null
);

create table disk_data_location (
  host text,
  id integer not null,
  path text not null
);

create table executed_obs_unit (
  conditions jsonb not null default '{}'::jsonb,
  created_at timestamp with time zone not null default clock_timestamp(),
  end_time timestamp with time zone,
  field_stamps jsonb not null default '{}'::jsonb,
  id uuid not null,
  instrument_module_ids integer[] not null default '{}'::integer[],
  leap_second boolean not null default false,
  metadata jsonb not null default '{}'::jsonb,
  obs_unit_id integer not null,
  observer text,
  quality text not null default 'unknown'::text,
  quality_note text,
  reason text,
  script text,
  script_line text,
  seq_num integer,
  start_time timestamp with time zone not null,
  status text not null,
  updated_at timestamp with time zone not null default clock_timestamp(),
  void boolean not null default false
);

create table fixed_source (
  dec_deg double precision not null,
  epoch_jyear double precision,
  id integer not null,
  pm_dec_masyr double precision,
  pm_ra_masyr double precision,
  ra_deg double precision not null,
  vlsr_kms double precision
);

create table inbox (
  aggregate_id uuid not null,
  aggregates uuid[],
  alias uuid,
  attempts integer not null default 1,
  changed_at timestamp with time zone not null default clock_timestamp(),
  group_id uuid,
  obs_unit_id integer,
  operation text not null,
  outcome text not null,
  overdue boolean not null default false,
  parked_for text,
  principal text not null,
  raw text,
  reason text,
  record_ids uuid[] not null default '{}'::uuid[],
  recorded_at timestamp with time zone not null default clock_timestamp(),
  request_id text,
  revision integer not null default 1,
  site text,
  stamp bigint not null,
  start_time timestamp with time zone,
  steps jsonb,
  transaction_id uuid not null,
  waits_for text
);

create table instrument (
  available boolean not null default true,
  description text,
  id integer not null generated as identity,
  name text not null,
  telescope_id integer not null
);

create table instrument_module (
  band_max_m double precision,
  band_min_m double precision,
  beam_fwhm_arcsec double precision,
  fov_deg double precision,
  id integer not null generated as identity,
  instrument_id integer not null,
  name text not null
);

create table instrument_module_configuration (
  id integer not null generated as identity,
  instrument_module_id integer not null,
  name text,
  parameters jsonb not null default '{}'::jsonb,
  type text not null
);

create table long_term_archive_transfer (
  checksum_verified_at timestamp with time zone,
  destination_location_id integer not null,
  ended_at timestamp with time zone,
  failure_error_message text,
  id integer not null generated as identity,
  origin_location_id integer,
  raw_data_package_id uuid not null,
  retry_count integer not null default 0,
  started_at timestamp with time zone,
  status text not null default 'pending'::text
);

create table metadata_key (
  column_name text not null default 'metadata'::text,
  doc text not null,
  dtype text not null,
  key text not null,
  ucd text,
  unit text
);

create table obs_mode (
  description text,
  id integer not null generated as identity,
  name text not null
);

create table obs_unit (
  active boolean not null default true,
  id integer not null generated as identity,
  instrument_id integer not null,
  name text not null,
  obs_mode_id integer,
  observation_configuration_id integer,
  observing_program_id integer not null,
  planned_duration_s integer,
  priority smallint not null default 0,
  requested_repeats integer,
  source_id integer not null,
  sub_observing_program_id integer,
  type text not null default 'obs_unit'::text,
  updated_at timestamp with time zone not null default now()
);

create table obs_unit_module_configuration (
  instrument_module_configuration_id integer not null,
  obs_unit_id integer not null
);

create table observation_configuration (
  id integer not null generated as identity,
  name text,
  parameters jsonb not null default '{}'::jsonb,
  type text not null
);

create table observation_note (
  at timestamp with time zone not null,
  author text not null,
  author_is_human boolean not null default true,
  created_at timestamp with time zone not null default clock_timestamp(),
  day_obs integer,
  executed_obs_unit_id uuid,
  field_stamps jsonb not null default '{}'::jsonb,
  flag text not null default 'none'::text,
  id uuid not null,
  invalidated_at timestamp with time zone,
  level integer not null default 20,
  parent_id uuid,
  root_id uuid,
  tags text[] not null default '{}'::text[],
  text text not null,
  time_lost_s integer,
  time_lost_type text,
  updated_at timestamp with time zone not null default clock_timestamp(),
  urls text[] not null default '{}'::text[]
);

create table observatory (
  id integer not null generated as identity,
  name text not null
);

create table observing_program (
  active boolean not null default true,
  description text,
  id integer not null generated as identity,
  lead text,
  name text not null,
  short_name text not null,
  time_allocated_s bigint
);

create table ops_user (
  active boolean not null default true,
  created_at timestamp with time zone not null default clock_timestamp(),
  field_stamps jsonb not null default '{}'::jsonb,
  id uuid not null,
  last_login_at timestamp with time zone,
  login text not null,
  name text not null,
  principal text not null,
  role text not null,
  role_from text not null,
  stamp bigint not null,
  updated_at timestamp with time zone not null default clock_timestamp()
);

create table physical_copy (
  checksum text,
  copy_of text,
  created_at timestamp with time zone not null default clock_timestamp(),
  data_location_id integer not null,
  deleted_at timestamp with time zone,
  id bigint not null generated as identity,
  path text,
  size_bytes bigint,
  status text not null default 'present'::text,
  type text not null,
  verified_at timestamp with time zone
);

create table pre_scheduled_slot (
  end_time timestamp with time zone not null,
  id integer not null generated as identity,
  obs_unit_id integer not null,
  start_time timestamp with time zone not null
);

create table raw_data_file (
  checksum text,
  checksum_type text,
  created_at timestamp with time zone not null default clock_timestamp(),
  data_end timestamp with time zone,
  data_start timestamp with time zone,
  executed_obs_unit_id uuid,
  field_stamps jsonb not null default '{}'::jsonb,
  file_type text,
  id uuid not null,
  instrument_module_id integer,
  metadata jsonb not null default '{}'::jsonb,
  name text not null,
  raw_data_package_id uuid,
  relative_path text,
  size_bytes bigint,
  source_location_id integer,
  updated_at timestamp with time zone not null default clock_timestamp()
);

create table raw_data_file_physical_copy (
  id bigint not null,
  raw_data_file_id uuid not null
);

create table raw_data_package (
  checksum text,
  checksum_type text,
  created_at timestamp with time zone not null default clock_timestamp(),
  data_transfer_package_id integer,
  executed_obs_unit_id uuid,
  failure_error_message text,
  field_stamps jsonb not null default '{}'::jsonb,
  finalized_at timestamp with time zone,
  id uuid not null,
  instrument_module_id integer,
  metadata jsonb not null default '{}'::jsonb,
  name text not null,
  retry_count integer not null default 0,
  size_bytes bigint,
  state text not null default 'waiting'::text,
  status text not null default 'pending'::text,
  updated_at timestamp with time zone not null default clock_timestamp()
);

create table raw_data_package_metadata (
  access_estsize bigint,
  access_format text,
  access_url text,
  calib_level integer not null default 0,
  dataproduct_type text,
  em_max double precision,
  em_min double precision,
  em_res_power double precision,
  em_xel bigint,
  facility_name text,
  instrument_name text,
  o_ucd text,
  obs_collection text,
  obs_id text,
  obs_publisher_did text,
  pol_states text,
  pol_xel bigint,
  raw_data_package_id uuid not null,
  s_dec double precision,
  s_fov double precision,
  s_ra double precision,
  s_region text,
  s_resolution double precision,
  s_xel1 bigint,
  s_xel2 bigint,
  t_exptime double precision,
  t_max double precision,
  t_min double precision,
  t_resolution double precision,
  t_xel bigint,
  target_name text
);

create table raw_data_package_physical_copy (
  id bigint not null,
  raw_data_package_id uuid not null
);

create table row_change (
  after jsonb,
  at timestamp with time zone not null default clock_timestamp(),
  before jsonb not null,
  by_program text default current_setting('application_name'::text, true),
  by_role text not null default SESSION_USER,
  id bigint not null generated as identity,
  row_id text not null,
  table_name text not null
);

create table s3_data_location (
  bucket text not null,
  credentials_env_prefix text,
  endpoint_url text,
  id integer not null,
  region text
);

create table schema_migration (
  id integer not null default nextval('schema_migration_id_seq'::regclass),
  name character varying(255) not null,
  run_on timestamp without time zone not null
);

create table site (
  id integer not null generated as identity,
  location text,
  name text not null,
  short_name text not null
);

create table solar_system_object (
  id integer not null,
  naif_id integer
);

create table source (
  aliases text[],
  dec_deg double precision,
  id integer not null generated as identity,
  name text not null,
  ra_deg double precision,
  type text not null
);

create table staging_job (
  created_at timestamp with time zone not null default clock_timestamp(),
  destination_location_id integer not null,
  expires_at timestamp with time zone,
  failure_error_message text,
  id integer not null generated as identity,
  requested_by text not null,
  retry_count integer not null default 0,
  status text not null default 'pending'::text
);

create table staging_job_package (
  raw_data_package_id uuid not null,
  staging_job_id integer not null
);

create table state_count (
  id bigint not null generated as identity,
  is_base boolean not null default false,
  n bigint not null,
  state text not null,
  table_name text not null
);

create table sub_observing_program (
  id integer not null generated as identity,
  name text not null,
  observing_program_id integer not null,
  short_name text not null
);

create table tape_data_location (
  id integer not null,
  library text not null
);

create table telescope (
  elevation_m double precision not null,
  id integer not null generated as identity,
  latitude_deg double precision not null,
  longitude_deg double precision not null,
  name text not null,
  observatory_id integer,
  site_id integer not null
);

create table tombstone (
  deleted_at timestamp with time zone not null default clock_timestamp(),
  id uuid not null,
  stamp bigint not null,
  table_name text not null
);

create table transaction_audit (
  action text not null,
  at timestamp with time zone not null default clock_timestamp(),
  decided_by uuid not null,
  id bigint not null generated as identity,
  principal text not null,
  reason text,
  transaction_id uuid not null
);

create table unreadable_message (
  body text not null,
  count integer not null default 1,
  first_seen timestamp with time zone not null default clock_timestamp(),
  id uuid not null,
  last_seen timestamp with time zone not null default clock_timestamp(),
  outcome text,
  reason text not null,
  transaction_id uuid,
  tried_at timestamp with time zone default clock_timestamp()
);

create table user_preference (
  key text not null,
  updated_at timestamp with time zone not null default clock_timestamp(),
  user_id uuid not null,
  value jsonb not null
);

alter table api_token add constraint api_token_pkey PRIMARY KEY (id);

alter table api_token add constraint api_token_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'observer'::text, 'viewer'::text, 'service'::text])));

alter table api_token add constraint api_token_token_hash_key UNIQUE (token_hash);

alter table audit_event add constraint audit_event_pkey PRIMARY KEY (id);

alter table change_outbox add constraint change_outbox_pkey PRIMARY KEY (id);

alter table change_outbox_pruned add constraint change_outbox_pruned_is_only_check CHECK (is_only);

alter table change_outbox_pruned add constraint change_outbox_pruned_pkey PRIMARY KEY (is_only);

alter table constant_elevation_source add constraint constant_elevation_source_elevation_deg_check CHECK (((elevation_deg >= (0)::double precision) AND (elevation_deg <= (90)::double precision)));

alter table constant_elevation_source add constraint constant_elevation_source_id_fkey FOREIGN KEY (id) REFERENCES source(id);

alter table constant_elevation_source add constraint constant_elevation_source_pkey PRIMARY KEY (id);

alter table data_location add constraint data_location_capacity_bytes_check CHECK ((capacity_bytes >= 0));

alter table data_location add constraint data_location_location_type_check CHECK ((location_type = ANY (ARRAY['source'::text, 'buffer'::text, 'long_term_archive'::text, 'processing'::text])));

alter table data_location add constraint data_location_pkey PRIMARY KEY (id);

alter table data_location add constraint data_location_site_id_fkey FOREIGN KEY (site_id) REFERENCES site(id);

alter table data_location add constraint data_location_site_id_name_key UNIQUE (site_id, name);

alter table data_location add constraint data_location_storage_type_check CHECK ((storage_type = ANY (ARRAY['disk'::text, 's3'::text, 'tape'::text])));

alter table data_location add constraint data_location_used_bytes_check CHECK ((used_bytes >= 0));

alter table data_transfer add constraint data_transfer_data_transfer_package_id_fkey FOREIGN KEY (data_transfer_package_id) REFERENCES data_transfer_package(id);

alter table data_transfer add constraint data_transfer_data_transfer_route_id_fkey FOREIGN KEY (data_transfer_route_id) REFERENCES data_transfer_route(id);

alter table data_transfer add constraint data_transfer_destination_location_id_fkey FOREIGN KEY (destination_location_id) REFERENCES data_location(id);

alter table data_transfer_log add constraint data_transfer_log_pkey PRIMARY KEY (id);

alter table data_transfer add constraint data_transfer_origin_location_id_fkey FOREIGN KEY (origin_location_id) REFERENCES data_location(id);

alter table data_transfer_package add constraint data_transfer_package_name_key UNIQUE (name);

alter table data_transfer_package add constraint data_transfer_package_origin_location_id_fkey FOREIGN KEY (origin_location_id) REFERENCES data_location(id);

alter table data_transfer_package_physical_copy add constraint data_transfer_package_physical_co_data_transfer_package_id_fkey FOREIGN KEY (data_transfer_package_id) REFERENCES data_transfer_package(id) ON DELETE CASCADE;

alter table data_transfer_package_physical_copy add constraint data_transfer_package_physical_copy_id_fkey FOREIGN KEY (id) REFERENCES physical_copy(id) ON DELETE CASCADE;

alter table data_transfer_package_physical_copy add constraint data_transfer_package_physical_copy_pkey PRIMARY KEY (id);

alter table data_transfer_package add constraint data_transfer_package_pkey PRIMARY KEY (id);

alter table data_transfer_package add constraint data_transfer_package_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'scheduled'::text, 'in_progress'::text, 'completed'::text, 'failed'::text])));

alter table data_transfer add constraint data_transfer_pkey PRIMARY KEY (id);

alter table data_transfer_route add constraint data_transfer_route_custom CHECK (((route_type <> 'custom'::text) OR ((origin_location_id IS NOT NULL) AND (destination_location_id IS NOT NULL)))) NOT VALID;

alter table data_transfer_route add constraint data_transfer_route_destination_location_id_fkey FOREIGN KEY (destination_location_id) REFERENCES data_location(id);

alter table data_transfer_route add constraint data_transfer_route_destination_site_id_fkey FOREIGN KEY (destination_site_id) REFERENCES site(id);

alter table data_transfer_route add constraint data_transfer_route_name_key UNIQUE (name);

alter table data_transfer_route add constraint data_transfer_route_origin_location_id_fkey FOREIGN KEY (origin_location_id) REFERENCES data_location(id);

alter table data_transfer_route add constraint data_transfer_route_origin_site_id_fkey FOREIGN KEY (origin_site_id) REFERENCES site(id);

alter table data_transfer_route add constraint data_transfer_route_pkey PRIMARY KEY (id);

alter table data_transfer_route add constraint data_transfer_route_relay_site_id_fkey FOREIGN KEY (relay_site_id) REFERENCES site(id);

alter table data_transfer_route add constraint data_transfer_route_relay CHECK (((route_type <> 'relay'::text) OR (relay_site_id IS NOT NULL))) NOT VALID;

alter table data_transfer_route add constraint data_transfer_route_route_type_check CHECK ((route_type = ANY (ARRAY['direct'::text, 'relay'::text, 'custom'::text])));

alter table data_transfer add constraint data_transfer_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'scheduled'::text, 'in_progress'::text, 'completed'::text, 'failed'::text])));

alter table data_transfer add constraint data_transfer_unpack_status_check CHECK ((unpack_status = ANY (ARRAY['pending'::text, 'scheduled'::text, 'in_progress'::text, 'completed'::text, 'failed'::text])));

alter table disk_data_location add constraint disk_data_location_id_fkey FOREIGN KEY (id) REFERENCES data_location(id);

alter table disk_data_location add constraint disk_data_location_pkey PRIMARY KEY (id);

alter table executed_obs_unit add constraint executed_obs_unit_obs_unit_id_fkey FOREIGN KEY (obs_unit_id) REFERENCES obs_unit(id);

alter table executed_obs_unit add constraint executed_obs_unit_pkey PRIMARY KEY (id);

alter table executed_obs_unit add constraint executed_obs_unit_quality_check CHECK ((quality = ANY (ARRAY['unknown'::text, 'good'::text, 'questionable'::text, 'bad'::text])));

alter table executed_obs_unit add constraint executed_obs_unit_status_check CHECK ((status = ANY (ARRAY['running'::text, 'completed'::text, 'aborted'::text, 'failed'::text, 'not_attempted'::text])));

alter table fixed_source add constraint fixed_source_dec_deg_check CHECK (((dec_deg >= ('-90'::integer)::double precision) AND (dec_deg <= (90)::double precision)));

alter table fixed_source add constraint fixed_source_id_fkey FOREIGN KEY (id) REFERENCES source(id);

alter table fixed_source add constraint fixed_source_pkey PRIMARY KEY (id);

alter table fixed_source add constraint fixed_source_ra_deg_check CHECK (((ra_deg >= (0)::double precision) AND (ra_deg < (360)::double precision)));

alter table inbox add constraint inbox_check CHECK (((outcome = 'parked'::text) = (parked_for IS NOT NULL)));

alter table inbox add constraint inbox_outcome_check CHECK ((outcome = ANY (ARRAY['applied'::text, 'refused'::text, 'parked'::text, 'discarded'::text])));

alter table inbox add constraint inbox_parked_for_check CHECK ((parked_for = ANY (ARRAY['start'::text, 'behind'::text, 'failed'::text])));

alter table inbox add constraint inbox_parked_has_content CHECK (((outcome <> 'parked'::text) OR (steps IS NOT NULL) OR (raw IS NOT NULL))) NOT VALID;

alter table inbox add constraint inbox_pkey PRIMARY KEY (transaction_id);

alter table instrument_module_configuration add constraint instrument_module_configuration_instrument_module_id_fkey FOREIGN KEY (instrument_module_id) REFERENCES instrument_module(id);

alter table instrument_module_configuration add constraint instrument_module_configuration_pkey PRIMARY KEY (id);

alter table instrument_module add constraint instrument_module_instrument_id_fkey FOREIGN KEY (instrument_id) REFERENCES instrument(id);

alter table instrument_module add constraint instrument_module_instrument_id_name_key UNIQUE (instrument_id, name);

alter table instrument_module add constraint instrument_module_pkey PRIMARY KEY (id);

alter table instrument add constraint instrument_name_key UNIQUE (name);

alter table instrument add constraint instrument_pkey PRIMARY KEY (id);

alter table instrument add constraint instrument_telescope_id_fkey FOREIGN KEY (telescope_id) REFERENCES telescope(id);

alter table long_term_archive_transfer add constraint long_term_archive_transfer_destination_location_id_fkey FOREIGN KEY (destination_location_id) REFERENCES data_location(id);

alter table long_term_archive_transfer add constraint long_term_archive_transfer_origin_location_id_fkey FOREIGN KEY (origin_location_id) REFERENCES data_location(id);

alter table long_term_archive_transfer add constraint long_term_archive_transfer_pkey PRIMARY KEY (id);

alter table long_term_archive_transfer add constraint long_term_archive_transfer_raw_data_package_id_fkey FOREIGN KEY (raw_data_package_id) REFERENCES raw_data_package(id) ON DELETE CASCADE;

alter table long_term_archive_transfer add constraint long_term_archive_transfer_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'scheduled'::text, 'in_progress'::text, 'completed'::text, 'failed'::text])));

alter table metadata_key add constraint metadata_key_column_name_check CHECK ((column_name = ANY (ARRAY['conditions'::text, 'metadata'::text])));

alter table metadata_key add constraint metadata_key_dtype_check CHECK ((dtype = ANY (ARRAY['bool'::text, 'int'::text, 'float'::text, 'str'::text])));

alter table metadata_key add constraint metadata_key_pkey PRIMARY KEY (key);

alter table obs_mode add constraint obs_mode_name_key UNIQUE (name);

alter table obs_mode add constraint obs_mode_pkey PRIMARY KEY (id);

alter table obs_unit add constraint obs_unit_instrument_id_fkey FOREIGN KEY (instrument_id) REFERENCES instrument(id);

alter table obs_unit_module_configuration add constraint obs_unit_module_configuration_instrument_module_configurat_fkey FOREIGN KEY (instrument_module_configuration_id) REFERENCES instrument_module_configuration(id);

alter table obs_unit_module_configuration add constraint obs_unit_module_configuration_obs_unit_id_fkey FOREIGN KEY (obs_unit_id) REFERENCES obs_unit(id);

alter table obs_unit_module_configuration add constraint obs_unit_module_configuration_pkey PRIMARY KEY (obs_unit_id, instrument_module_configuration_id);

alter table obs_unit add constraint obs_unit_obs_mode_id_fkey FOREIGN KEY (obs_mode_id) REFERENCES obs_mode(id);

alter table obs_unit add constraint obs_unit_observation_configuration_id_fkey FOREIGN KEY (observation_configuration_id) REFERENCES observation_configuration(id);

alter table obs_unit add constraint obs_unit_observing_program_id_fkey FOREIGN KEY (observing_program_id) REFERENCES observing_program(id);

alter table obs_unit add constraint obs_unit_pkey PRIMARY KEY (id);

alter table obs_unit add constraint obs_unit_planned_duration_s_check CHECK ((planned_duration_s >= 0));

alter table obs_unit add constraint obs_unit_priority_check CHECK (((priority >= 0) AND (priority <= 2)));

alter table obs_unit add constraint obs_unit_requested_repeats_check CHECK ((requested_repeats >= 0));

alter table obs_unit add constraint obs_unit_source_id_fkey FOREIGN KEY (source_id) REFERENCES source(id);

alter table obs_unit add constraint obs_unit_sub_observing_program_id_fkey FOREIGN KEY (sub_observing_program_id) REFERENCES sub_observing_program(id);

alter table observation_configuration add constraint observation_configuration_pkey PRIMARY KEY (id);

alter table observation_note add constraint observation_note_executed_obs_unit_id_fkey FOREIGN KEY (executed_obs_unit_id) REFERENCES executed_obs_unit(id);

alter table observation_note add constraint observation_note_flag_check CHECK ((flag = ANY (ARRAY['none'::text, 'junk'::text, 'questionable'::text])));

alter table observation_note add constraint observation_note_pkey PRIMARY KEY (id);

alter table observation_note add constraint observation_note_time_lost_s_check CHECK ((time_lost_s >= 0));

alter table observation_note add constraint observation_note_time_lost_type_check CHECK ((time_lost_type = ANY (ARRAY['weather'::text, 'fault'::text, 'other'::text])));

alter table observatory add constraint observatory_name_key UNIQUE (name);

alter table observatory add constraint observatory_pkey PRIMARY KEY (id);

alter table observing_program add constraint observing_program_pkey PRIMARY KEY (id);

alter table observing_program add constraint observing_program_short_name_key UNIQUE (short_name);

alter table ops_user add constraint ops_user_pkey PRIMARY KEY (id);

alter table ops_user add constraint ops_user_principal_check CHECK ((principal ~ '^\d{1,15}$'::text));

alter table ops_user add constraint ops_user_principal_key UNIQUE (principal);

alter table ops_user add constraint ops_user_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'observer'::text, 'viewer'::text, 'service'::text])));

alter table ops_user add constraint ops_user_role_from_check CHECK ((role_from = ANY (ARRAY['github'::text, 'admin'::text])));

alter table physical_copy add constraint physical_copy_archived_gone TRIGGER DEFERRABLE INITIALLY DEFERRED;

alter table physical_copy add constraint physical_copy_archived TRIGGER DEFERRABLE INITIALLY DEFERRED;

alter table physical_copy add constraint physical_copy_data_location_id_fkey FOREIGN KEY (data_location_id) REFERENCES data_location(id);

alter table physical_copy add constraint physical_copy_deletion TRIGGER DEFERRABLE INITIALLY DEFERRED;

alter table physical_copy add constraint physical_copy_pkey PRIMARY KEY (id);

alter table physical_copy add constraint physical_copy_status_check CHECK ((status = ANY (ARRAY['present'::text, 'staged'::text, 'deletion_possible'::text, 'deletion_scheduled'::text, 'deletion_in_progress'::text, 'deleted'::text, 'deletion_failed'::text])));

alter table physical_copy add constraint physical_copy_type_check CHECK ((type = ANY (ARRAY['raw_data_file'::text, 'raw_data_package'::text, 'data_transfer_package'::text])));

alter table pre_scheduled_slot add constraint pre_scheduled_slot_check CHECK ((end_time > start_time));

alter table pre_scheduled_slot add constraint pre_scheduled_slot_obs_unit_id_fkey FOREIGN KEY (obs_unit_id) REFERENCES obs_unit(id);

alter table pre_scheduled_slot add constraint pre_scheduled_slot_pkey PRIMARY KEY (id);

alter table raw_data_file add constraint raw_data_file_executed_obs_unit_id_fkey FOREIGN KEY (executed_obs_unit_id) REFERENCES executed_obs_unit(id);

alter table raw_data_file add constraint raw_data_file_instrument_module_id_fkey FOREIGN KEY (instrument_module_id) REFERENCES instrument_module(id);

alter table raw_data_file_physical_copy add constraint raw_data_file_physical_copy_id_fkey FOREIGN KEY (id) REFERENCES physical_copy(id) ON DELETE CASCADE;

alter table raw_data_file_physical_copy add constraint raw_data_file_physical_copy_pkey PRIMARY KEY (id);

alter table raw_data_file_physical_copy add constraint raw_data_file_physical_copy_raw_data_file_id_fkey FOREIGN KEY (raw_data_file_id) REFERENCES raw_data_file(id) ON DELETE CASCADE;

alter table raw_data_file add constraint raw_data_file_pkey PRIMARY KEY (id);

alter table raw_data_file add constraint raw_data_file_raw_data_package_id_fkey FOREIGN KEY (raw_data_package_id) REFERENCES raw_data_package(id);

alter table raw_data_file add constraint raw_data_file_source_location_id_fkey FOREIGN KEY (source_location_id) REFERENCES data_location(id);

alter table raw_data_package add constraint raw_data_package_archived_new TRIGGER DEFERRABLE INITIALLY DEFERRED;

alter table raw_data_package add constraint raw_data_package_archived TRIGGER DEFERRABLE INITIALLY DEFERRED;

alter table raw_data_package add constraint raw_data_package_data_transfer_package_id_fkey FOREIGN KEY (data_transfer_package_id) REFERENCES data_transfer_package(id);

alter table raw_data_package add constraint raw_data_package_executed_obs_unit_id_fkey FOREIGN KEY (executed_obs_unit_id) REFERENCES executed_obs_unit(id);

alter table raw_data_package add constraint raw_data_package_instrument_module_id_fkey FOREIGN KEY (instrument_module_id) REFERENCES instrument_module(id);

alter table raw_data_package_metadata add constraint raw_data_package_metadata_calib_level_check CHECK (((calib_level >= 0) AND (calib_level <= 4)));

alter table raw_data_package_metadata add constraint raw_data_package_metadata_pkey PRIMARY KEY (raw_data_package_id);

alter table raw_data_package_metadata add constraint raw_data_package_metadata_raw_data_package_id_fkey FOREIGN KEY (raw_data_package_id) REFERENCES raw_data_package(id) ON DELETE CASCADE;

alter table raw_data_package_physical_copy add constraint raw_data_package_physical_copy_id_fkey FOREIGN KEY (id) REFERENCES physical_copy(id) ON DELETE CASCADE;

alter table raw_data_package_physical_copy add constraint raw_data_package_physical_copy_pkey PRIMARY KEY (id);

alter table raw_data_package_physical_copy add constraint raw_data_package_physical_copy_raw_data_package_id_fkey FOREIGN KEY (raw_data_package_id) REFERENCES raw_data_package(id) ON DELETE CASCADE;

alter table raw_data_package add constraint raw_data_package_pkey PRIMARY KEY (id);

alter table raw_data_package add constraint raw_data_package_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'transferring'::text, 'archived'::text, 'failed'::text])));

alter table raw_data_package add constraint raw_data_package_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'scheduled'::text, 'in_progress'::text, 'completed'::text, 'failed'::text])));

alter table row_change add constraint row_change_pkey PRIMARY KEY (id);

alter table s3_data_location add constraint s3_data_location_id_fkey FOREIGN KEY (id) REFERENCES data_location(id);

alter table s3_data_location add constraint s3_data_location_pkey PRIMARY KEY (id);

alter table schema_migration add constraint schema_migration_pkey PRIMARY KEY (id);

alter table site add constraint site_pkey PRIMARY KEY (id);

alter table site add constraint site_short_name_key UNIQUE (short_name);

alter table solar_system_object add constraint solar_system_object_id_fkey FOREIGN KEY (id) REFERENCES source(id);

alter table solar_system_object add constraint solar_system_object_pkey PRIMARY KEY (id);

alter table source add constraint source_name_key UNIQUE (name);

alter table source add constraint source_pkey PRIMARY KEY (id);

alter table source add constraint source_type_check CHECK ((type = ANY (ARRAY['fixed'::text, 'solar_system_object'::text, 'constant_elevation'::text])));

alter table staging_job add constraint staging_job_destination_location_id_fkey FOREIGN KEY (destination_location_id) REFERENCES data_location(id);

alter table staging_job_package add constraint staging_job_package_pkey PRIMARY KEY (staging_job_id, raw_data_package_id);

alter table staging_job_package add constraint staging_job_package_raw_data_package_id_fkey FOREIGN KEY (raw_data_package_id) REFERENCES raw_data_package(id) ON DELETE CASCADE;

alter table staging_job_package add constraint staging_job_package_staging_job_id_fkey FOREIGN KEY (staging_job_id) REFERENCES staging_job(id);

alter table staging_job add constraint staging_job_pkey PRIMARY KEY (id);

alter table staging_job add constraint staging_job_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'scheduled'::text, 'in_progress'::text, 'completed'::text, 'failed'::text])));

alter table state_count add constraint state_count_pkey PRIMARY KEY (table_name, state, id);

alter table sub_observing_program add constraint sub_observing_program_observing_program_id_fkey FOREIGN KEY (observing_program_id) REFERENCES observing_program(id);

alter table sub_observing_program add constraint sub_observing_program_observing_program_id_short_name_key UNIQUE (observing_program_id, short_name);

alter table sub_observing_program add constraint sub_observing_program_pkey PRIMARY KEY (id);

alter table tape_data_location add constraint tape_data_location_id_fkey FOREIGN KEY (id) REFERENCES data_location(id);

alter table tape_data_location add constraint tape_data_location_pkey PRIMARY KEY (id);

alter table telescope add constraint telescope_name_key UNIQUE (name);

alter table telescope add constraint telescope_observatory_id_fkey FOREIGN KEY (observatory_id) REFERENCES observatory(id);

alter table telescope add constraint telescope_pkey PRIMARY KEY (id);

alter table telescope add constraint telescope_site_id_fkey FOREIGN KEY (site_id) REFERENCES site(id);

alter table tombstone add constraint tombstone_pkey PRIMARY KEY (table_name, id);

alter table transaction_audit add constraint transaction_audit_action_check CHECK ((action = ANY (ARRAY['retry'::text, 'discard'::text])));

alter table transaction_audit add constraint transaction_audit_decided_by_transaction_id_key UNIQUE (decided_by, transaction_id);

alter table transaction_audit add constraint transaction_audit_pkey PRIMARY KEY (id);

alter table unreadable_message add constraint unreadable_message_outcome_check CHECK ((outcome = ANY (ARRAY['read'::text, 'discarded'::text])));

alter table unreadable_message add constraint unreadable_message_pkey PRIMARY KEY (id);

alter table user_preference add constraint user_preference_pkey PRIMARY KEY (user_id, key);

alter table user_preference add constraint user_preference_user_id_fkey FOREIGN KEY (user_id) REFERENCES ops_user(id);

CREATE INDEX audit_event_at ON public.audit_event USING btree (at DESC, id DESC);

CREATE INDEX change_outbox_order ON public.change_outbox USING btree (xid, id);

CREATE INDEX data_transfer_log_of ON public.data_transfer_log USING btree (data_transfer_id, id DESC);

CREATE INDEX data_transfer_of_package ON public.data_transfer USING btree (data_transfer_package_id);

CREATE INDEX data_transfer_package_physical_copy_of ON public.data_transfer_package_physical_copy USING btree (data_transfer_package_id);

CREATE INDEX data_transfer_status ON public.data_transfer USING btree (status);

CREATE INDEX executed_obs_unit_moved ON public.executed_obs_unit USING btree (start_time DESC, id DESC) WHERE ((field_stamps ? 'obs_unit_id'::text) OR (field_stamps ? 'start_time'::text));

CREATE INDEX executed_obs_unit_planned ON public.executed_obs_unit USING btree (obs_unit_id, start_time DESC, id DESC);

CREATE INDEX executed_obs_unit_start ON public.executed_obs_unit USING btree (start_time DESC, id DESC);

CREATE INDEX executed_obs_unit_status ON public.executed_obs_unit USING btree (status, start_time DESC, id DESC);

CREATE INDEX inbox_aggregate ON public.inbox USING btree (aggregate_id);

CREATE INDEX inbox_aggregates ON public.inbox USING gin (aggregates) WHERE (aggregates IS NOT NULL);

CREATE INDEX inbox_alias ON public.inbox USING btree (alias) WHERE (alias IS NOT NULL);

CREATE INDEX inbox_awaited ON public.inbox USING btree (hashtextextended(waits_for, (0)::bigint)) WHERE ((outcome = 'parked'::text) AND (parked_for = 'start'::text) AND (waits_for IS NOT NULL));

CREATE INDEX inbox_by_state ON public.inbox USING btree (inbox_state(outcome, parked_for, overdue), stamp DESC, transaction_id DESC) WHERE (outcome <> 'applied'::text);

CREATE INDEX inbox_parked ON public.inbox USING btree (aggregate_id, stamp) WHERE (outcome = 'parked'::text);

CREATE INDEX inbox_parked_obs_unit ON public.inbox USING btree (obs_unit_id, start_time) WHERE (outcome = 'parked'::text);

CREATE INDEX inbox_parked_start ON public.inbox USING btree (start_time DESC, aggregate_id DESC) WHERE (outcome = 'parked'::text);

CREATE INDEX inbox_parked_unit ON public.inbox USING btree (obs_unit_id, start_time DESC, aggregate_id DESC) WHERE (outcome = 'parked'::text);

CREATE INDEX inbox_set_aside ON public.inbox USING btree (stamp, transaction_id) WHERE (outcome = ANY (ARRAY['parked'::text, 'refused'::text, 'discarded'::text]));

CREATE INDEX inbox_waiting_for_start ON public.inbox USING btree (recorded_at) WHERE ((outcome = 'parked'::text) AND (parked_for = 'start'::text) AND (NOT overdue));

CREATE INDEX instrument_module_configuration_module ON public.instrument_module_configuration USING btree (instrument_module_id);

CREATE INDEX long_term_archive_transfer_package ON public.long_term_archive_transfer USING btree (raw_data_package_id);

CREATE INDEX obs_unit_instrument ON public.obs_unit USING btree (instrument_id);

CREATE INDEX obs_unit_program ON public.obs_unit USING btree (observing_program_id);

CREATE INDEX obs_unit_source ON public.obs_unit USING btree (source_id);

CREATE INDEX observation_note_night ON public.observation_note USING btree (day_obs, at DESC, id DESC);

CREATE INDEX observation_note_parent ON public.observation_note USING btree (executed_obs_unit_id);

CREATE INDEX observation_note_parent_id ON public.observation_note USING btree (parent_id) WHERE (parent_id IS NOT NULL);

CREATE INDEX physical_copy_at ON public.physical_copy USING btree (data_location_id, status);

CREATE UNIQUE INDEX physical_copy_once ON public.physical_copy USING btree (type, copy_of, data_location_id) WHERE (status <> 'deleted'::text);

CREATE INDEX pre_scheduled_slot_start ON public.pre_scheduled_slot USING btree (start_time);

CREATE INDEX pre_scheduled_slot_unit ON public.pre_scheduled_slot USING btree (obs_unit_id, start_time);

CREATE INDEX raw_data_file_package ON public.raw_data_file USING btree (raw_data_package_id);

CREATE INDEX raw_data_file_physical_copy_of ON public.raw_data_file_physical_copy USING btree (raw_data_file_id);

CREATE INDEX raw_data_file_unit ON public.raw_data_file USING btree (executed_obs_unit_id);

CREATE INDEX raw_data_package_physical_copy_of ON public.raw_data_package_physical_copy USING btree (raw_data_package_id);

CREATE INDEX raw_data_package_state ON public.raw_data_package USING btree (state);

CREATE INDEX raw_data_package_unit ON public.raw_data_package USING btree (executed_obs_unit_id);

CREATE INDEX row_change_of ON public.row_change USING btree (table_name, row_id, id);

CREATE INDEX transaction_audit_at ON public.transaction_audit USING btree (at DESC, id DESC);

CREATE INDEX unreadable_message_kept ON public.unreadable_message USING btree (tried_at) WHERE (outcome IS NULL);

CREATE OR REPLACE FUNCTION public.apply_transactions(batch jsonb, transient text[], start_wait_seconds integer DEFAULT 900)
 RETURNS SETOF inbox
 LANGUAGE plpgsql
AS $function$
declare
  call_started timestamptz;
  bucket bigint;
  tx jsonb;
  refusal text;
  touched uuid[];
  work jsonb[];
  forced_at integer := 0;
  forced_for text;
  forced_reason text;
  first integer := 1;
  last integer;
  at integer;
  blocks integer := 0;
  blocked uuid[] := '{}';
  blocked_before uuid[];
  verdict jsonb;
  late uuid[];
begin
  perform set_config('ops.processor', 'on', true);

  -- Lock before looking, in a fixed order: no two calls judge one aggregate at the same time, nor wait in a circle.
  for bucket in
    select distinct abs(hashtextextended(t ->> 'aggregate', 0) % 512) from jsonb_array_elements(batch) t order by 1
  loop
    perform pg_advisory_xact_lock(7305, bucket::integer);
  end loop;
  call_started := clock_timestamp();

  -- Only what main has not recorded yet moves an aggregate.
  select coalesce(array_agg(t), '{}'), coalesce(array_agg(distinct (t ->> 'aggregate')::uuid), '{}')
  into work, touched
  from jsonb_array_elements(batch) t
  where not exists (select from inbox where transaction_id = (t ->> 'id')::uuid);

  foreach tx in array work loop
    if tx @? '$.steps[*] ? (@.kind == "retry" || @.kind == "discard")' then
      refusal := decide(tx);
      perform record_outcome(tx, case when refusal is null then '{"outcome": "applied"}'::jsonb
        else jsonb_build_object('outcome', 'refused', 'reason', refusal) end);
    end if;
  end loop;

  -- A start before what needs it, then as they were accepted.
  select coalesce(array_agg(t order by not t @? '$.steps[*] ? (@.kind == "create" && @.table == "executed_obs_unit")',
    (t ->> 'stamp')::bigint, t ->> 'id'), '{}')
  into work
  from (
    select distinct on (t ->> 'id') t from unnest(work) t
    where not t @? '$.steps[*] ? (@.kind == "retry" || @.kind == "discard")'
    union all
    select jsonb_build_object('id', transaction_id, 'stamp', stamp, 'aggregate', aggregate_id, 'operation', operation,
      'principal', principal, 'record_ids', to_jsonb(record_ids), 'steps', steps)
    from inbox where outcome = 'parked' and aggregate_id = any (touched)
  ) all_work;

  last := cardinality(work);
  while first <= last and blocks < 60 loop
    blocks := blocks + 1;
    blocked_before := blocked;
    begin
      at := first;
      while at <= last loop
        tx := work[at];
        if at = forced_at then
          verdict := jsonb_build_object('outcome', 'parked', 'parked_for', forced_for, 'reason', forced_reason);
        elsif (tx ->> 'aggregate')::uuid = any (blocked) then
          verdict := '{"outcome": "parked", "parked_for": "behind", "reason": "waits behind an earlier transaction"}';
        else
          verdict := judge(tx);
          if verdict is null then
            perform perform_steps(tx);
            verdict := '{"outcome": "applied"}';
          end if;
        end if;
        if verdict ->> 'parked_for' in ('failed', 'behind') then
          blocked := blocked || (tx ->> 'aggregate')::uuid;
        end if;
        perform record_outcome(tx, verdict);
        at := at + 1;
        exit when at - 1 = forced_at;
      end loop;
      first := at;
      forced_at := 0;
    exception when others then
      if exists (select from unnest(transient) prefix where starts_with(sqlstate, prefix)) then raise; end if;
      forced_at := at;
      -- a foreign key says that something is not there yet
      forced_for := case sqlstate when '23503' then 'start' else 'failed' end;
      forced_reason := format('%s (SQLSTATE %s)', sqlerrm, sqlstate);
      blocked := blocked_before;
    end;
  end loop;

  with overdue as (
    update inbox set overdue = true, revision = revision + 1, changed_at = clock_timestamp(),
      reason = format('%s; it has waited %s s for its start', reason, start_wait_seconds)
    where outcome = 'parked' and parked_for = 'start' and not inbox.overdue
      and recorded_at < clock_timestamp() - make_interval(secs => start_wait_seconds)
    returning transaction_id
  ) select coalesce(array_agg(transaction_id), '{}') into late from overdue;

  return query
    select * from inbox
    where transaction_id = any (array(select (t ->> 'id')::uuid from jsonb_array_elements(batch) t) || late)
    union
    select * from inbox where aggregate_id = any (touched) and changed_at >= call_started;
end $function$
;

CREATE OR REPLACE FUNCTION public.buffered_row(tbl text, row_id uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
AS $function$
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
    when 'ops_user' then
      select to_jsonb(t) into found_row from ops_user t where id = row_id for update;
    when 'audit_event' then
      select to_jsonb(t) into found_row from audit_event t where id = row_id;
  end case;
  return found_row;
end $function$
;

CREATE OR REPLACE FUNCTION public.count_by_state_v1(tbl text, state_column text)
 RETURNS void
 LANGUAGE plpgsql
AS $functionx$
declare
  count_function text := tbl || '_count';
begin
  execute format($function$
    create function %1$I() returns trigger language plpgsql security definer set search_path = public, pg_temp as $body$
    begin
      case tg_op
      when 'INSERT' then
        insert into state_count (table_name, state, n)
        select %2$L, %3$I, count(*) from new_rows group by %3$I;
      when 'DELETE' then
        insert into state_count (table_name, state, n)
        select %2$L, %3$I, -count(*) from old_rows group by %3$I;
      when 'UPDATE' then
        insert into state_count (table_name, state, n)
        select %2$L, state, sum(n)
        from (select %3$I as state, 1 as n from new_rows union all select %3$I, -1 from old_rows) changed
        group by state having sum(n) <> 0;
      when 'TRUNCATE' then
        insert into state_count (table_name, state, n, is_base) values (%2$L, '', 0, true);
      end case;
      return null;
    end $body$
  $function$, count_function, tbl, state_column);
  execute format('create trigger %I after insert on %I referencing new table as new_rows
    for each statement execute function %I()', tbl || '_count_insert', tbl, count_function);
  execute format('create trigger %I after delete on %I referencing old table as old_rows
    for each statement execute function %I()', tbl || '_count_delete', tbl, count_function);
  execute format('create trigger %I after update on %I referencing old table as old_rows new table as new_rows
    for each statement execute function %I()', tbl || '_count_update', tbl, count_function);
  execute format('create trigger %I after truncate on %I
    for each statement execute function %I()', tbl || '_count_truncate', tbl, count_function);
end $functionx$
;

CREATE OR REPLACE FUNCTION public.data_transfer_count()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    begin
      case tg_op
      when 'INSERT' then
        insert into state_count (table_name, state, n)
        select 'data_transfer', status, count(*) from new_rows group by status;
      when 'DELETE' then
        insert into state_count (table_name, state, n)
        select 'data_transfer', status, -count(*) from old_rows group by status;
      when 'UPDATE' then
        insert into state_count (table_name, state, n)
        select 'data_transfer', state, sum(n)
        from (select status as state, 1 as n from new_rows union all select status, -1 from old_rows) changed
        group by state having sum(n) <> 0;
      when 'TRUNCATE' then
        insert into state_count (table_name, state, n, is_base) values ('data_transfer', '', 0, true);
      end case;
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION public.decide(tx jsonb)
 RETURNS text
 LANGUAGE plpgsql
AS $function$
declare
  step jsonb;
  target inbox;
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    select * into target from inbox where transaction_id = (step ->> 'transaction')::uuid for update;
    if target.transaction_id is null then
      return format('transaction %s is not known to main', step ->> 'transaction');
    end if;
    if target.outcome = 'applied' then
      return format('transaction %s has been applied', step ->> 'transaction');
    end if;
    if step ->> 'kind' = 'discard' and target.outcome <> 'discarded' then
      update inbox set outcome = 'discarded', parked_for = null, overdue = false, reason = step ->> 'reason',
        revision = revision + 1, changed_at = clock_timestamp()
      where transaction_id = target.transaction_id;
    end if;
    insert into transaction_audit (transaction_id, decided_by, action, principal, reason, at)
    values (target.transaction_id, (tx ->> 'id')::uuid, step ->> 'kind', tx ->> 'principal', step ->> 'reason',
      to_timestamp((tx ->> 'stamp')::numeric / 1000000))
    on conflict do nothing;
  end loop;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.follow_changes_v1(tbl text, announced boolean DEFAULT true, of_unit boolean DEFAULT false)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  events constant jsonb := '{"insert": "new table as new_rows", "update": "old table as old_rows new table as new_rows", "delete": "old table as old_rows"}';
  event text;
  tables text;
begin
  for event, tables in select key, value from jsonb_each_text(events) loop
    if event <> 'insert' then
      execute format('create trigger %I after %s on %I referencing %s for each statement execute function note_row_changes()',
        format('%s_%s_kept', tbl, event), event, tbl, tables);
    end if;
    if of_unit then
      execute format('create trigger %I after %s on %I referencing %s for each statement execute function note_changes_of_unit()',
        format('%s_%s_of_unit', tbl, event), event, tbl, tables);
    end if;
    if announced then
      execute format('create trigger %I after %s on %I referencing %s for each statement execute function note_changes()',
        format('%s_%s_announced', tbl, event), event, tbl, tables);
    end if;
  end loop;
  if announced then
    execute format('create trigger %I after truncate on %I for each statement execute function note_truncate()',
      tbl || '_truncated', tbl);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION public.has_value(present jsonb, given jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
begin
  if present is not distinct from given then return true; end if;
  if jsonb_typeof(present) <> 'string' or jsonb_typeof(given) <> 'string' then return false; end if;
  if not given #>> '{}' ~ '^\d{4}-\d{2}-\d{2}T' or not present #>> '{}' ~ '^\d{4}-\d{2}-\d{2}T' then return false; end if;
  return (present #>> '{}')::timestamptz = (given #>> '{}')::timestamptz;
end $function$
;

CREATE OR REPLACE FUNCTION public.inbox_state(outcome text, parked_for text, overdue boolean)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE outcome WHEN 'applied'::text THEN 'committed'::text WHEN 'discarded'::text THEN 'discarded'::text WHEN 'refused'::text THEN 'failed'::text ELSE CASE WHEN ((parked_for = 'failed'::text) OR overdue) THEN 'failed'::text ELSE 'waiting'::text END END
;

CREATE OR REPLACE FUNCTION public.insert_row(tbl text, row_id uuid, vals jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  row_json jsonb := vals || jsonb_build_object('id', row_id);
  columns text;
begin
  select string_agg(quote_ident(key), ', ') into columns from jsonb_object_keys(row_json) as key;
  execute format('insert into %1$I (%2$s) select %2$s from jsonb_populate_record(null::%1$I, $1)', tbl, columns)
    using row_json;
end $function$
;

CREATE OR REPLACE FUNCTION public.is_archived_safely(package_id uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select exists (
    select from raw_data_package_physical_copy p join physical_copy c on c.id = p.id
      join data_location l on l.id = c.data_location_id
    where p.raw_data_package_id = package_id and l.location_type = 'long_term_archive'
      and c.status = 'present' and c.verified_at is not null)
$function$
;

CREATE OR REPLACE FUNCTION public.judge(tx jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
AS $function$
declare
  step jsonb;
  made uuid[] := '{}';
  row_id uuid;
  present jsonb;
  unit integer;
  parent uuid;
  failed constant jsonb := '{"outcome": "parked", "parked_for": "failed"}';
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    case step ->> 'kind'
    when 'create' then
      row_id := (step ->> 'id')::uuid;
      if exists (select from tombstone where table_name = step ->> 'table' and id = row_id) then
        return jsonb_build_object('outcome', 'refused', 'reason', format('%s %s was deleted', step ->> 'table', row_id));
      end if;
      if step ->> 'table' = 'executed_obs_unit' then
        unit := (step -> 'values' ->> 'obs_unit_id')::integer;
        if not exists (select from obs_unit where id = unit) then
          return failed || jsonb_build_object('reason', format('planned unit %s is not known to main', unit));
        end if;
      else
        parent := (step -> 'values' ->> 'executed_obs_unit_id')::uuid;
        if parent is not null and parent <> all (made)
          and not exists (select from executed_obs_unit where id = parent) then
          return jsonb_build_object('outcome', 'parked', 'parked_for', 'start',
            'reason', format('executed unit %s has not been started', parent));
        end if;
      end if;
      if buffered_row(step ->> 'table', row_id) is not null then
        return failed || jsonb_build_object('reason', format('%s %s exists already', step ->> 'table', row_id));
      end if;
      made := made || row_id;
    when 'update' then
      row_id := (step ->> 'id')::uuid;
      if row_id = any (made) then continue; end if;
      present := buffered_row(step ->> 'table', row_id);
      if present is null then
        if exists (select from tombstone where table_name = step ->> 'table' and id = row_id) then
          return jsonb_build_object('outcome', 'refused', 'reason', format('%s %s was deleted', step ->> 'table', row_id));
        end if;
        if exists (select from inbox i where i.aggregate_id = (tx ->> 'aggregate')::uuid and i.outcome = 'discarded'
            and row_id = any (i.record_ids) and i.steps @> '[{"kind": "create"}]') then
          return failed || jsonb_build_object('reason', format('the start of %s was discarded', row_id));
        end if;
        return jsonb_build_object('outcome', 'parked', 'parked_for', 'start',
          'reason', format('nothing was started under %s', row_id));
      end if;
      if step ? 'only_if' and not present @> (step -> 'only_if') then
        if (select bool_and(case jsonb_typeof(given.value)
              when 'object' then present -> given.key @> given.value
              else has_value(present -> given.key, given.value) end)
            from jsonb_each(step -> 'values') given
            where step -> 'given' ? given.key) then
          return '{"outcome": "applied", "nothing_to_do": true}';
        end if;
        return jsonb_build_object('outcome', 'refused', 'reason',
          format('it had already ended as %s with other values', present ->> 'status'));
      end if;
    else null;
    end case;
  end loop;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.keep_archived_copy()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  package_id constant uuid := case old.type when 'raw_data_package' then old.copy_of::uuid end;
begin
  if package_id is null
    or not exists (select from data_location where id = old.data_location_id and location_type = 'long_term_archive')
    or not exists (select from raw_data_package where id = package_id and state = 'archived')
    or is_archived_safely(package_id) then
    return null;
  end if;
  raise exception 'this is the last verified copy of package %, which is archived', package_id using errcode = 'OP002';
end $function$
;

CREATE OR REPLACE FUNCTION public.make_buffered_v1(tbl text, parent text DEFAULT NULL::text, together text[] DEFAULT '{}'::text[], states jsonb DEFAULT '{}'::jsonb, feed boolean DEFAULT true, append_only boolean DEFAULT false)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  state_column text;
  allowed jsonb;
begin
  if not exists (
    select from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and c.conkey = array[a.attnum]
    where c.conrelid = tbl::regclass and c.contype = 'p' and a.attname = 'id' and a.atttypid = 'uuid'::regtype
  ) then
    raise exception 'table % needs "id uuid primary key"', tbl;
  end if;
  execute format($sql$
    alter table %I
      add column created_at timestamptz not null default clock_timestamp(),
      add column updated_at timestamptz not null default clock_timestamp(),
      add column field_stamps jsonb not null default '{}'$sql$, tbl);
  execute format('comment on column %I.field_stamps is %L', tbl, 'field → when it was last written, microseconds since 1970');
  if parent is not null then
    execute format('alter table %I add foreign key (%I) references %I', tbl, parent, left(parent, -3));
    execute format('create index %I on %I (%I)', tbl || '_parent', tbl, parent);
  end if;
  for state_column, allowed in select * from jsonb_each(states) loop
    execute format('alter table %I add check (%I in (%s))', tbl, state_column,
      (select string_agg(quote_literal(state), ', ') from jsonb_array_elements_text(allowed) state));
  end loop;
  if append_only then
    execute format('create trigger %I before update or delete or truncate on %I for each statement execute function refuse_change()',
      tbl || '_append_only', tbl);
  else
    execute format('create trigger %I before update on %I for each row execute function stamp_changed_fields(%s)',
      tbl || '_stamp', tbl, (select string_agg(quote_literal(names), ', ') from unnest(together) names));
  end if;
  if feed then
    execute format('create trigger %I after insert on %I referencing new table as new_rows
      for each statement execute function note_changes()', tbl || '_inserted', tbl);
    execute format('create trigger %I after update on %I referencing new table as new_rows
      for each statement execute function note_changes()', tbl || '_updated', tbl);
    execute format('create trigger %I after delete on %I referencing old table as old_rows
      for each statement execute function note_changes()', tbl || '_deleted', tbl);
    execute format('create trigger %I after truncate on %I
      for each statement execute function note_truncate()', tbl || '_truncated', tbl);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION public.name_copied()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  update physical_copy set copy_of = to_jsonb(new) ->> (type || '_id') where id = new.id;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.note_changes()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if current_setting('ops.processor', true) = 'on' then return null; end if;
  case tg_op
  when 'DELETE' then
    insert into change_outbox (table_name, row_id) select tg_table_name, id from old_rows;
  when 'INSERT', 'UPDATE' then
    insert into change_outbox (table_name, row_id) select tg_table_name, id from new_rows;
  end case;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.note_changes_of_unit()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if current_setting('ops.processor', true) = 'on' then return null; end if;
  if tg_op <> 'DELETE' then
    insert into change_outbox (table_name, row_id)
    select distinct 'executed_obs_unit', executed_obs_unit_id from new_rows where executed_obs_unit_id is not null;
  end if;
  if tg_op = 'UPDATE' then
    insert into change_outbox (table_name, row_id)
    select distinct 'executed_obs_unit', o.executed_obs_unit_id from old_rows o
    where o.executed_obs_unit_id is not null and not exists (
      select from new_rows n where n.executed_obs_unit_id = o.executed_obs_unit_id);
  elsif tg_op = 'DELETE' then
    insert into change_outbox (table_name, row_id)
    select distinct 'executed_obs_unit', executed_obs_unit_id from old_rows where executed_obs_unit_id is not null;
  end if;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.note_recorded()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if current_setting('ops.processor', true) is distinct from 'on' then return null; end if;
  insert into change_outbox (table_name, row_id) select tg_table_name, min(id::text) from new_rows having count(*) > 0;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.note_row_changes()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if current_setting('ops.processor', true) = 'on' then return null; end if;
  if tg_op = 'DELETE' then
    insert into row_change (table_name, row_id, before)
    select tg_table_name, to_jsonb(o) ->> 'id', to_jsonb(o) from old_rows o;
  else
    insert into row_change (table_name, row_id, before, after)
    select tg_table_name, changed.row_id, changed.was, changed.now
    from old_rows o join new_rows n on n.id = o.id
    cross join lateral (select to_jsonb(o) as was, to_jsonb(n) as now offset 0) whole
    cross join lateral (
      select o.id as row_id, jsonb_object_agg(key, whole.was -> key) as was, jsonb_object_agg(key, value) as now
      from jsonb_each(whole.now)
      where value is distinct from whole.was -> key and key not in ('updated_at', 'field_stamps', 'copy_of')
    ) changed
    where changed.was is not null;
  end if;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.note_source_copy()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  with copies as (
    insert into physical_copy (type, data_location_id, copy_of, path, size_bytes, checksum)
    select 'raw_data_file', n.source_location_id, n.id::text, coalesce(n.relative_path, n.name), n.size_bytes, n.checksum
    from new_rows n where n.source_location_id is not null
    returning id, copy_of
  )
  insert into raw_data_file_physical_copy (id, raw_data_file_id) select id, copy_of::uuid from copies;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.note_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  insert into change_outbox (table_name, row_id, is_reset)
  values (tg_table_name, '00000000-0000-0000-0000-000000000000', true);
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.note_unit_changes()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  is_processor boolean := coalesce(current_setting('ops.processor', true) = 'on', false);
begin
  case tg_op
  when 'INSERT' then
    if is_processor then return null; end if;
    insert into change_outbox (table_name, row_id) select tg_table_name, id from new_rows;
  when 'UPDATE' then
    insert into change_outbox (table_name, row_id, left_obs_unit_id)
    select tg_table_name, n.id, nullif(o.obs_unit_id, n.obs_unit_id)
    from new_rows n left join old_rows o on o.id = n.id
    where not is_processor or o.obs_unit_id <> n.obs_unit_id
    union all
    -- a new primary key is a new record
    select tg_table_name, o.id, o.obs_unit_id from old_rows o
    where not exists (select from new_rows n where n.id = o.id);
  when 'DELETE' then
    if is_processor then return null; end if;
    insert into change_outbox (table_name, row_id, left_obs_unit_id)
    select tg_table_name, id, obs_unit_id from old_rows;
  end case;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.perform_steps(tx jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  step jsonb;
  item jsonb;
  stamp bigint := (tx ->> 'stamp')::bigint;
  present jsonb;
  put_stamp bigint;
begin
  for step in select value from jsonb_array_elements(tx -> 'steps') loop
    case step ->> 'kind'
    when 'create' then
      perform insert_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values');
    when 'put' then
      -- nobody needs to know whether it is there: the site may have forgotten
      present := buffered_row(step ->> 'table', (step ->> 'id')::uuid);
      -- a row that carries its own stamp was put in that order at the site, whatever order it is recorded in
      put_stamp := coalesce((step -> 'values' ->> 'stamp')::bigint, stamp);
      if present is null then
        perform insert_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values');
      elsif coalesce((present ->> 'stamp')::bigint, 0) <= put_stamp then
        perform update_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values', put_stamp, present);
      end if;
    when 'bulk_create' then
      for item in select value from jsonb_array_elements(step -> 'rows') loop
        perform insert_row(step ->> 'table', (item ->> 'id')::uuid, item -> 'values');
      end loop;
    when 'update' then
      perform update_row(step ->> 'table', (step ->> 'id')::uuid, step -> 'values', stamp,
        buffered_row(step ->> 'table', (step ->> 'id')::uuid));
    when 'delete' then
      execute format('delete from %I where id = $1', step ->> 'table') using (step ->> 'id')::uuid;
      insert into tombstone values (step ->> 'table', (step ->> 'id')::uuid, stamp) on conflict do nothing;
    else null; -- retry and discard act on the inbox, before anything else of their aggregate
    end case;
  end loop;
end $function$
;

CREATE OR REPLACE FUNCTION public.raw_data_package_count()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    begin
      case tg_op
      when 'INSERT' then
        insert into state_count (table_name, state, n)
        select 'raw_data_package', state, count(*) from new_rows group by state;
      when 'DELETE' then
        insert into state_count (table_name, state, n)
        select 'raw_data_package', state, -count(*) from old_rows group by state;
      when 'UPDATE' then
        insert into state_count (table_name, state, n)
        select 'raw_data_package', state, sum(n)
        from (select state as state, 1 as n from new_rows union all select state, -1 from old_rows) changed
        group by state having sum(n) <> 0;
      when 'TRUNCATE' then
        insert into state_count (table_name, state, n, is_base) values ('raw_data_package', '', 0, true);
      end case;
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION public.record_outcome(tx jsonb, verdict jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  start_values jsonb := jsonb_path_query_first(
    tx, '$.steps[*] ? (@.kind == "create" && @.table == "executed_obs_unit").values');
begin
  insert into inbox as i (transaction_id, stamp, aggregate_id, operation, principal, record_ids, outcome, parked_for,
      reason, steps, obs_unit_id, start_time)
  values ((tx ->> 'id')::uuid, (tx ->> 'stamp')::bigint, (tx ->> 'aggregate')::uuid, tx ->> 'operation',
    tx ->> 'principal',
    array(select value::uuid from jsonb_array_elements_text(tx -> 'record_ids')),
    verdict ->> 'outcome', verdict ->> 'parked_for', verdict ->> 'reason',
    case when verdict ->> 'outcome' <> 'applied' then tx -> 'steps' end,
    (start_values ->> 'obs_unit_id')::integer, (start_values ->> 'start_time')::timestamptz)
  on conflict (transaction_id) do update set
    outcome = excluded.outcome,
    parked_for = excluded.parked_for,
    overdue = i.overdue and excluded.parked_for is not distinct from 'start',
    reason = case when i.overdue and excluded.parked_for is not distinct from 'start' then i.reason
      else excluded.reason end,
    steps = excluded.steps,
    attempts = i.attempts + 1,
    revision = i.revision + (row(i.outcome, i.parked_for, i.reason)
      is distinct from row(excluded.outcome, excluded.parked_for, excluded.reason))::integer,
    changed_at = clock_timestamp();
end $function$
;

CREATE OR REPLACE FUNCTION public.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'OP001';
end $function$
;

CREATE OR REPLACE FUNCTION public.require_archived_copy()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if exists (select from raw_data_package where id = new.id and state = 'archived') and not is_archived_safely(new.id) then
    raise exception 'package % is not archived: no verified copy of it is present at a long-term archive', new.id
      using errcode = 'OP002';
  end if;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION public.require_safe_deletion()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  package_id uuid;
begin
  if new.type = 'data_transfer_package'
    or not exists (select from data_location where id = new.data_location_id and location_type = 'source') then
    return null;
  end if;
  package_id := case new.type when 'raw_data_package' then new.copy_of::uuid
    else (select raw_data_package_id from raw_data_file where id = new.copy_of::uuid) end;
  if exists (select from raw_data_package where id = package_id and state = 'archived') and is_archived_safely(package_id) then
    return null;
  end if;
  raise exception 'copy % at its source must stay: its package is not archived with a verified copy', new.id
    using errcode = 'OP003';
end $function$
;

CREATE OR REPLACE FUNCTION public.stamp_changed_fields()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  now_microseconds bigint := extract(epoch from clock_timestamp()) * 1000000;
  before jsonb := to_jsonb(old);
  after jsonb := to_jsonb(new);
begin
  if current_setting('ops.processor', true) = 'on' then return new; end if;
  new.field_stamps := new.field_stamps || coalesce((
    with changed as (
      select key as field, value as now, before -> key as was,
        'object' in (jsonb_typeof(value), jsonb_typeof(before -> key))
          and jsonb_typeof(value) in ('object', 'null') and jsonb_typeof(before -> key) in ('object', 'null') as by_key
      from jsonb_each(after)
      where key not in ('field_stamps', 'updated_at') and value is distinct from before -> key
    )
    select jsonb_object_agg(field, now_microseconds)
    from (
      select field from changed where not by_key
      union
      select field || '.' || part
      from changed, lateral (
        select coalesce(a.key, b.key) as part
        from jsonb_each(case jsonb_typeof(now) when 'object' then now else '{}' end) a
          full join jsonb_each(case jsonb_typeof(was) when 'object' then was else '{}' end) b using (key)
        where a.value is distinct from b.value
      ) parts
      where by_key
      union
      select member
      from unnest(tg_argv) as together, unnest(string_to_array(together, ',')) as member
      where exists (select from changed where field = any (string_to_array(together, ',')))
    ) stamped), '{}');
  return new;
end $function$
;

CREATE OR REPLACE FUNCTION public.touch_updated_at()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.updated_at := clock_timestamp();
  return new;
end $function$
;

CREATE OR REPLACE FUNCTION public.update_row(tbl text, row_id uuid, vals jsonb, stamp bigint, present jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  stamps jsonb := present -> 'field_stamps';
  merged jsonb := '{}';
  field text;
  val jsonb;
  part text;
  part_val jsonb;
  columns text;
begin
  for field, val in select * from jsonb_each(vals) loop
    if jsonb_typeof(val) = 'object' then
      for part, part_val in select * from jsonb_each(val) loop
        if stamp > coalesce((stamps ->> (field || '.' || part))::bigint, 0) then
          if not merged ? field then
            merged := merged || jsonb_build_object(field, coalesce(present -> field, '{}'));
          end if;
          merged := jsonb_set(merged, array[field, part], part_val);
          stamps := stamps || jsonb_build_object(field || '.' || part, stamp);
        end if;
      end loop;
    elsif stamp > coalesce((stamps ->> field)::bigint, 0) then
      merged := merged || jsonb_build_object(field, val);
      stamps := stamps || jsonb_build_object(field, stamp);
    end if;
  end loop;
  if merged = '{}' then return; end if;
  merged := merged || jsonb_build_object('field_stamps', stamps, 'updated_at', clock_timestamp());
  select string_agg(quote_ident(key), ', ') into columns from jsonb_object_keys(merged) as key;
  execute format('update %1$I set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$I, $1)) where id = $2',
    tbl, columns) using merged, row_id;
end $function$
;

CREATE TRIGGER api_token_stamp BEFORE UPDATE ON public.api_token FOR EACH ROW EXECUTE FUNCTION stamp_changed_fields();

CREATE TRIGGER audit_event_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER data_location_delete_announced AFTER DELETE ON public.data_location REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_location_delete_kept AFTER DELETE ON public.data_location REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER data_location_insert_announced AFTER INSERT ON public.data_location REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_location_truncated AFTER TRUNCATE ON public.data_location FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER data_location_update_announced AFTER UPDATE ON public.data_location REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_location_update_kept AFTER UPDATE ON public.data_location REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER data_transfer_count_delete AFTER DELETE ON public.data_transfer REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION data_transfer_count();

CREATE TRIGGER data_transfer_count_insert AFTER INSERT ON public.data_transfer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION data_transfer_count();

CREATE TRIGGER data_transfer_count_truncate AFTER TRUNCATE ON public.data_transfer FOR EACH STATEMENT EXECUTE FUNCTION data_transfer_count();

CREATE TRIGGER data_transfer_count_update AFTER UPDATE ON public.data_transfer REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION data_transfer_count();

CREATE TRIGGER data_transfer_delete_kept AFTER DELETE ON public.data_transfer REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER data_transfer_deleted AFTER DELETE ON public.data_transfer REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_transfer_inserted AFTER INSERT ON public.data_transfer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_transfer_package_delete_announced AFTER DELETE ON public.data_transfer_package REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_transfer_package_delete_kept AFTER DELETE ON public.data_transfer_package REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER data_transfer_package_insert_announced AFTER INSERT ON public.data_transfer_package REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_transfer_package_physical_copy_named AFTER INSERT OR UPDATE ON public.data_transfer_package_physical_copy FOR EACH ROW EXECUTE FUNCTION name_copied();

CREATE TRIGGER data_transfer_package_truncated AFTER TRUNCATE ON public.data_transfer_package FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER data_transfer_package_update_announced AFTER UPDATE ON public.data_transfer_package REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_transfer_package_update_kept AFTER UPDATE ON public.data_transfer_package REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER data_transfer_route_delete_announced AFTER DELETE ON public.data_transfer_route REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_transfer_route_delete_kept AFTER DELETE ON public.data_transfer_route REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER data_transfer_route_insert_announced AFTER INSERT ON public.data_transfer_route REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_transfer_route_truncated AFTER TRUNCATE ON public.data_transfer_route FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER data_transfer_route_update_announced AFTER UPDATE ON public.data_transfer_route REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER data_transfer_route_update_kept AFTER UPDATE ON public.data_transfer_route REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER data_transfer_truncated AFTER TRUNCATE ON public.data_transfer FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER data_transfer_update_kept AFTER UPDATE ON public.data_transfer REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER data_transfer_updated AFTER UPDATE ON public.data_transfer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER executed_obs_unit_delete_kept AFTER DELETE ON public.executed_obs_unit REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER executed_obs_unit_deleted AFTER DELETE ON public.executed_obs_unit REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_unit_changes();

CREATE TRIGGER executed_obs_unit_inserted AFTER INSERT ON public.executed_obs_unit REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_unit_changes();

CREATE TRIGGER executed_obs_unit_stamp BEFORE UPDATE ON public.executed_obs_unit FOR EACH ROW EXECUTE FUNCTION stamp_changed_fields('status,end_time');

CREATE TRIGGER executed_obs_unit_truncated AFTER TRUNCATE ON public.executed_obs_unit FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER executed_obs_unit_update_kept AFTER UPDATE ON public.executed_obs_unit REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER executed_obs_unit_updated AFTER UPDATE ON public.executed_obs_unit REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_unit_changes();

CREATE TRIGGER instrument_delete_announced AFTER DELETE ON public.instrument REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER instrument_delete_kept AFTER DELETE ON public.instrument REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER instrument_insert_announced AFTER INSERT ON public.instrument REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER instrument_truncated AFTER TRUNCATE ON public.instrument FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER instrument_update_announced AFTER UPDATE ON public.instrument REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER instrument_update_kept AFTER UPDATE ON public.instrument REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER long_term_archive_transfer_delete_announced AFTER DELETE ON public.long_term_archive_transfer REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER long_term_archive_transfer_delete_kept AFTER DELETE ON public.long_term_archive_transfer REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER long_term_archive_transfer_insert_announced AFTER INSERT ON public.long_term_archive_transfer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER long_term_archive_transfer_truncated AFTER TRUNCATE ON public.long_term_archive_transfer FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER long_term_archive_transfer_update_announced AFTER UPDATE ON public.long_term_archive_transfer REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER long_term_archive_transfer_update_kept AFTER UPDATE ON public.long_term_archive_transfer REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER obs_unit_delete_announced AFTER DELETE ON public.obs_unit REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER obs_unit_delete_kept AFTER DELETE ON public.obs_unit REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER obs_unit_insert_announced AFTER INSERT ON public.obs_unit REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER obs_unit_touched BEFORE UPDATE ON public.obs_unit FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE TRIGGER obs_unit_truncated AFTER TRUNCATE ON public.obs_unit FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER obs_unit_update_announced AFTER UPDATE ON public.obs_unit REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER obs_unit_update_kept AFTER UPDATE ON public.obs_unit REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER observation_note_delete_announced AFTER DELETE ON public.observation_note REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER observation_note_delete_kept AFTER DELETE ON public.observation_note REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER observation_note_delete_of_unit AFTER DELETE ON public.observation_note REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_unit();

CREATE TRIGGER observation_note_insert_announced AFTER INSERT ON public.observation_note REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER observation_note_insert_of_unit AFTER INSERT ON public.observation_note REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_unit();

CREATE TRIGGER observation_note_stamp BEFORE UPDATE ON public.observation_note FOR EACH ROW EXECUTE FUNCTION stamp_changed_fields();

CREATE TRIGGER observation_note_truncated AFTER TRUNCATE ON public.observation_note FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER observation_note_update_announced AFTER UPDATE ON public.observation_note REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER observation_note_update_kept AFTER UPDATE ON public.observation_note REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER observation_note_update_of_unit AFTER UPDATE ON public.observation_note REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_unit();

CREATE TRIGGER observing_program_delete_announced AFTER DELETE ON public.observing_program REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER observing_program_delete_kept AFTER DELETE ON public.observing_program REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER observing_program_insert_announced AFTER INSERT ON public.observing_program REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER observing_program_truncated AFTER TRUNCATE ON public.observing_program FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER observing_program_update_announced AFTER UPDATE ON public.observing_program REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER observing_program_update_kept AFTER UPDATE ON public.observing_program REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER ops_user_stamp BEFORE UPDATE ON public.ops_user FOR EACH ROW EXECUTE FUNCTION stamp_changed_fields();

CREATE CONSTRAINT TRIGGER physical_copy_archived AFTER UPDATE ON public.physical_copy DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.status = 'present'::text) AND (old.verified_at IS NOT NULL))) EXECUTE FUNCTION keep_archived_copy();

CREATE CONSTRAINT TRIGGER physical_copy_archived_gone AFTER DELETE ON public.physical_copy DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.status = 'present'::text) AND (old.verified_at IS NOT NULL))) EXECUTE FUNCTION keep_archived_copy();

CREATE TRIGGER physical_copy_delete_announced AFTER DELETE ON public.physical_copy REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER physical_copy_delete_kept AFTER DELETE ON public.physical_copy REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE CONSTRAINT TRIGGER physical_copy_deletion AFTER UPDATE ON public.physical_copy DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.status = ANY (ARRAY['deletion_scheduled'::text, 'deletion_in_progress'::text, 'deleted'::text])) AND (old.status IS DISTINCT FROM new.status))) EXECUTE FUNCTION require_safe_deletion();

CREATE TRIGGER physical_copy_insert_announced AFTER INSERT ON public.physical_copy REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER physical_copy_truncated AFTER TRUNCATE ON public.physical_copy FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER physical_copy_update_announced AFTER UPDATE ON public.physical_copy REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER physical_copy_update_kept AFTER UPDATE ON public.physical_copy REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER raw_data_file_delete_announced AFTER DELETE ON public.raw_data_file REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER raw_data_file_delete_kept AFTER DELETE ON public.raw_data_file REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER raw_data_file_delete_of_unit AFTER DELETE ON public.raw_data_file REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_unit();

CREATE TRIGGER raw_data_file_insert_announced AFTER INSERT ON public.raw_data_file REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER raw_data_file_insert_of_unit AFTER INSERT ON public.raw_data_file REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_unit();

CREATE TRIGGER raw_data_file_physical_copy_named AFTER INSERT OR UPDATE ON public.raw_data_file_physical_copy FOR EACH ROW EXECUTE FUNCTION name_copied();

CREATE TRIGGER raw_data_file_source_copy AFTER INSERT ON public.raw_data_file REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_source_copy();

CREATE TRIGGER raw_data_file_stamp BEFORE UPDATE ON public.raw_data_file FOR EACH ROW EXECUTE FUNCTION stamp_changed_fields();

CREATE TRIGGER raw_data_file_truncated AFTER TRUNCATE ON public.raw_data_file FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER raw_data_file_update_announced AFTER UPDATE ON public.raw_data_file REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER raw_data_file_update_kept AFTER UPDATE ON public.raw_data_file REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER raw_data_file_update_of_unit AFTER UPDATE ON public.raw_data_file REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_unit();

CREATE CONSTRAINT TRIGGER raw_data_package_archived AFTER UPDATE ON public.raw_data_package DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.state = 'archived'::text) AND (old.state <> 'archived'::text))) EXECUTE FUNCTION require_archived_copy();

CREATE CONSTRAINT TRIGGER raw_data_package_archived_new AFTER INSERT ON public.raw_data_package DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.state = 'archived'::text)) EXECUTE FUNCTION require_archived_copy();

CREATE TRIGGER raw_data_package_count_delete AFTER DELETE ON public.raw_data_package REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION raw_data_package_count();

CREATE TRIGGER raw_data_package_count_insert AFTER INSERT ON public.raw_data_package REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION raw_data_package_count();

CREATE TRIGGER raw_data_package_count_truncate AFTER TRUNCATE ON public.raw_data_package FOR EACH STATEMENT EXECUTE FUNCTION raw_data_package_count();

CREATE TRIGGER raw_data_package_count_update AFTER UPDATE ON public.raw_data_package REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION raw_data_package_count();

CREATE TRIGGER raw_data_package_delete_kept AFTER DELETE ON public.raw_data_package REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER raw_data_package_delete_of_unit AFTER DELETE ON public.raw_data_package REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_unit();

CREATE TRIGGER raw_data_package_deleted AFTER DELETE ON public.raw_data_package REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER raw_data_package_insert_of_unit AFTER INSERT ON public.raw_data_package REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_unit();

CREATE TRIGGER raw_data_package_inserted AFTER INSERT ON public.raw_data_package REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER raw_data_package_moved AFTER UPDATE ON public.raw_data_package REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_recorded();

CREATE TRIGGER raw_data_package_physical_copy_named AFTER INSERT OR UPDATE ON public.raw_data_package_physical_copy FOR EACH ROW EXECUTE FUNCTION name_copied();

CREATE TRIGGER raw_data_package_recorded AFTER INSERT ON public.raw_data_package REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_recorded();

CREATE TRIGGER raw_data_package_stamp BEFORE UPDATE ON public.raw_data_package FOR EACH ROW EXECUTE FUNCTION stamp_changed_fields();

CREATE TRIGGER raw_data_package_truncated AFTER TRUNCATE ON public.raw_data_package FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER raw_data_package_update_kept AFTER UPDATE ON public.raw_data_package REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER raw_data_package_update_of_unit AFTER UPDATE ON public.raw_data_package REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes_of_unit();

CREATE TRIGGER raw_data_package_updated AFTER UPDATE ON public.raw_data_package REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER source_delete_announced AFTER DELETE ON public.source REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER source_delete_kept AFTER DELETE ON public.source REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER source_insert_announced AFTER INSERT ON public.source REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER source_truncated AFTER TRUNCATE ON public.source FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER source_update_announced AFTER UPDATE ON public.source REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER source_update_kept AFTER UPDATE ON public.source REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER staging_job_delete_announced AFTER DELETE ON public.staging_job REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER staging_job_delete_kept AFTER DELETE ON public.staging_job REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER staging_job_insert_announced AFTER INSERT ON public.staging_job REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER staging_job_truncated AFTER TRUNCATE ON public.staging_job FOR EACH STATEMENT EXECUTE FUNCTION note_truncate();

CREATE TRIGGER staging_job_update_announced AFTER UPDATE ON public.staging_job REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_changes();

CREATE TRIGGER staging_job_update_kept AFTER UPDATE ON public.staging_job REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_row_changes();

CREATE TRIGGER transaction_audit_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.transaction_audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
