/** A plausible observatory as SQL: hardware, plans, locations, and data packages and transfers in every state. */

export const plannedUnits = 300;

const hardware = `
insert into site (short_name, name, location) values
  ('chajnantor', 'Cerro Chajnantor', 'Atacama, Chile'), ('cologne', 'Data centre Cologne', 'Cologne, Germany'),
  ('ithaca', 'Data centre Ithaca', 'Ithaca, New York');
insert into observatory (name) values ('CCAT Observatory');
insert into telescope (observatory_id, site_id, name, latitude_deg, longitude_deg, elevation_m) values
  (1, 1, 'FYST', -22.985639, -67.740278, 5611.8);
insert into instrument (telescope_id, name, available, description) values
  (1, 'Prime-Cam', true, 'Camera and spectrometer of seven modules'),
  (1, 'CHAI', true, 'Heterodyne array of two bands'), (1, 'Mod-Cam', false, 'Test cryostat for one module');
insert into instrument_module (instrument_id, name, band_min_m, band_max_m, beam_fwhm_arcsec, fov_deg) values
  (1, '280 GHz', 0.98e-3, 1.18e-3, 48, 1.3), (1, '350 GHz', 0.80e-3, 0.92e-3, 37, 1.3),
  (1, '850 GHz', 0.33e-3, 0.38e-3, 15, 1.3), (1, 'EoR-Spec', 0.71e-3, 1.43e-3, 50, 1.3),
  (2, 'LFA', 0.60e-3, 0.66e-3, 26, 0.1), (2, 'HFA', 0.35e-3, 0.38e-3, 15, 0.06),
  (3, '280 GHz', 0.98e-3, 1.18e-3, 48, 1.3);
insert into instrument_module_configuration (instrument_module_id, type, name, parameters) values
  (1, 'prime_cam_module_configuration', 'survey', '{"sample_rate_hz": 488}'),
  (5, 'chai_module_configuration', 'CO 4-3', '{"line": "CO 4-3", "frequency_ghz": 461.0408}'),
  (6, 'chai_module_configuration', '[CI] 2-1', '{"line": "[CI] 2-1", "frequency_ghz": 809.3435}');
`;

const plans = `
insert into observing_program (short_name, name, lead, time_allocated_s) values
  ('WFS', 'Wide field survey', 'M. Survey', 14400000), ('EOR', 'Epoch of reionisation', 'E. Line', 7200000),
  ('GEco', 'Galactic ecology', 'G. Cloud', 10800000), ('CAL', 'Calibration', null, null);
insert into sub_observing_program (observing_program_id, short_name, name) values
  (3, 'GEco-MC', 'Molecular clouds'), (3, 'GEco-GC', 'Galactic centre');
insert into source (type, name, ra_deg, dec_deg, aliases) values
  ('solar_system_object', 'Jupiter', null, null, null), ('solar_system_object', 'Uranus', null, null, null),
  ('constant_elevation', 'South field', null, null, null), ('constant_elevation', 'Wide field', null, null, null),
  ('fixed', 'E-COSMOS', 150.11917, 2.20583, '{COSMOS}'), ('fixed', 'E-CDFS', 53.11667, -27.80833, '{CDFS}'),
  ('fixed', 'Orion A', 83.80625, -5.375, '{"M 42","NGC 1976"}'),
  ('fixed', 'Galactic centre', 266.41683, -29.00781, '{"Sgr A*"}');
insert into solar_system_object (id, naif_id) values (1, 599), (2, 799);
insert into constant_elevation_source (id, elevation_deg, az_min_deg, az_max_deg) values (3, 45, 140, 220), (4, 40, 60, 300);
insert into fixed_source (id, ra_deg, dec_deg, vlsr_kms)
  select id, ra_deg, dec_deg, case name when 'Orion A' then 9 when 'Galactic centre' then 0 end
  from source where type = 'fixed';
insert into obs_mode (name, description) values
  ('constant_elevation_scan', 'Azimuth scans at one elevation'), ('on_the_fly', 'Map of a fixed source'),
  ('pointing', 'Cross over a planet');
insert into observation_configuration (type, name, parameters) values
  ('chai_observation_configuration', 'map 10 arcmin', '{"size_arcmin": 10}'), ('survey_configuration', 'wide', '{}');
insert into obs_unit (id, type, observing_program_id, sub_observing_program_id, source_id, instrument_id, obs_mode_id, name,
    priority, planned_duration_s, requested_repeats)
  select n, case n % 3 when 1 then 'chai_obs_unit' else 'obs_unit' end, 1 + n % 4, case n % 4 when 2 then 1 + n / 4 % 2 end,
    1 + n % 8, 1 + n % 3, 1 + n % 3, format('unit %s', n), n % 3, 600 + n % 5 * 600, 1 + n % 10
  from generate_series(1, ${plannedUnits}) n;
select setval(pg_get_serial_sequence('obs_unit', 'id'), ${plannedUnits});
insert into obs_unit_module_configuration (obs_unit_id, instrument_module_configuration_id)
  select n, 1 + n % 3 from generate_series(1, 30) n;
insert into pre_scheduled_slot (obs_unit_id, start_time, end_time)
  select n, timestamptz '2026-12-01 00:00Z' + n * interval '1 h', timestamptz '2026-12-01 00:50Z' + n * interval '1 h'
  from generate_series(1, 24) n;
`;

const places = `
insert into data_location (site_id, name, location_type, storage_type, priority, capacity_bytes, used_bytes, checked_at) values
  (1, 'primecam_raw_data', 'source', 'disk', 0, 200e12, 61e12, '2026-11-25 00:00Z'),
  (1, 'chai_raw_data', 'source', 'disk', 0, 50e12, 9e12, '2026-11-25 00:00Z'),
  (1, 'output_buffer', 'buffer', 'disk', 0, 100e12, 42e12, '2026-11-25 00:00Z'),
  (1, 'output_buffer_spare', 'buffer', 'disk', 1, 20e12, 0, '2026-11-25 00:00Z'),
  (2, 'input_buffer', 'buffer', 'disk', 0, 100e12, 17e12, '2026-11-25 00:00Z'),
  (2, 'long_term_archive', 'long_term_archive', 's3', 0, null, 810e12, '2026-11-25 00:00Z'),
  (2, 'tape_library', 'long_term_archive', 'tape', 1, null, null, null),
  (2, 'ramses_processing', 'processing', 'disk', 0, 500e12, 120e12, '2026-11-25 00:00Z'),
  (3, 'input_buffer', 'buffer', 'disk', 0, 100e12, 3e12, '2026-11-25 00:00Z'),
  (3, 'long_term_archive', 'long_term_archive', 's3', 0, null, 400e12, '2026-11-25 00:00Z');
insert into disk_data_location (id, host, path) values
  (1, 'telescope.example.org', '/data/primecam'), (2, 'telescope.example.org', '/data/chai'),
  (3, 'buffer.example.org', '/buffer/out'), (4, 'buffer.example.org', '/spare/out'), (5, 'cologne.example.org', '/buffer/in'),
  (8, 'ramses.example.org', '/scratch/processing'), (9, 'ithaca.example.org', '/buffer/in');
insert into s3_data_location (id, bucket, endpoint_url, credentials_env_prefix) values
  (6, 'fyst-archive', 'https://s3.cologne.example.org', 'S3_COLOGNE'),
  (10, 'fyst-archive', 'https://s3.ithaca.example.org', 'S3_ITHACA');
insert into tape_data_location (id, library) values (7, 'cologne-tape-1');
insert into data_transfer_route (name, origin_site_id, destination_site_id, route_type, relay_site_id,
    origin_location_id, destination_location_id) values
  ('chajnantor_to_cologne', 1, 2, 'direct', null, null, null), ('chajnantor_to_ithaca', 1, 3, 'relay', 2, null, null),
  ('buffer_to_archive', 1, 2, 'custom', null, 3, 6);
`;

/** Packages and transfers in every state. An archived package has a verified copy in the archive. */
const movement = `
insert into data_transfer_package (name, size_bytes, status, origin_location_id)
  select format('package-%s', lpad(n::text, 4, '0')), 20000000000 + n * 100000000::bigint,
    (array['pending', 'scheduled', 'in_progress', 'completed', 'failed'])[1 + n % 5], 3 from generate_series(1, 40) n;
insert into raw_data_package (id, data_transfer_package_id, instrument_module_id, name, size_bytes, state, status,
    finalized_at, retry_count, failure_error_message)
  select gen_random_uuid(), n, 1 + n % 7, format('raw-%s', lpad(n::text, 4, '0')), 10000000000 + n,
    (array['waiting', 'transferring', 'archived', 'failed'])[1 + n % 4],
    (array['pending', 'scheduled', 'in_progress', 'completed', 'failed'])[1 + n % 5], '2026-11-20 00:00Z',
    case n % 4 when 3 then 3 else 0 end, case n % 4 when 3 then 'checksum differs' end
  from generate_series(1, 40) n;
insert into physical_copy (type, data_location_id, copy_of, status, size_bytes, verified_at)
  select 'raw_data_package', place, p.id::text, 'present', p.size_bytes, '2026-11-21 00:00Z'
  from raw_data_package p, unnest(case p.state when 'archived' then '{3,6}' else '{3}' end::integer[]) place;
insert into raw_data_package_physical_copy (id, raw_data_package_id)
  select id, copy_of::uuid from physical_copy where type = 'raw_data_package';
insert into long_term_archive_transfer (raw_data_package_id, origin_location_id, destination_location_id, status, started_at,
    ended_at, checksum_verified_at)
  select id, 5, 6, 'completed', '2026-11-20 12:00Z', '2026-11-20 18:00Z', '2026-11-21 00:00Z'
  from raw_data_package where state = 'archived';
insert into data_transfer (data_transfer_package_id, data_transfer_route_id, status, unpack_status, origin_location_id,
    destination_location_id, started_at, ended_at, bytes_transferred, rate_bytes_s, failure_error_message)
  select n, 1 + n % 2, state, case state when 'completed' then 'completed' else 'pending' end, 3, 5,
    case when state in ('in_progress', 'completed', 'failed') then timestamptz '2026-11-24 00:00Z' + n * interval '10 min' end,
    case when state in ('completed', 'failed') then timestamptz '2026-11-24 02:00Z' + n * interval '10 min' end,
    case state when 'completed' then 20000000000 + n * 100000000::bigint when 'in_progress' then 5000000000 end,
    case when state in ('in_progress', 'completed') then 40e6 end, case state when 'failed' then 'bbcp: connection timed out' end
  from (select n, (array['pending', 'scheduled', 'in_progress', 'completed', 'failed'])[1 + n % 5] as state
    from generate_series(1, 40) n) each;
insert into data_transfer_log (data_transfer_id, at, level, message)
  select id, started_at, 'info', 'started' from data_transfer where started_at is not null
  union all
  select id, ended_at, case status when 'failed' then 'error' else 'info' end, coalesce(failure_error_message, 'completed')
  from data_transfer where ended_at is not null;
insert into staging_job (requested_by, destination_location_id, status, expires_at)
  select '1', 8, unnest(array['pending', 'completed', 'failed']), '2027-01-01 00:00Z';
insert into staging_job_package (staging_job_id, raw_data_package_id)
  select j.id, p.id from staging_job j, raw_data_package p where p.name in ('raw-0002', 'raw-0006');
`;

export const observatorySql = hardware + plans + places + movement;
