/** Reference data of a plausible observatory, which only the local stack loads. */
import pg from 'pg';

const plannedUnits = 300;

/** Fills an empty database; a filled one stays as it is. */
export async function seed(mainUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: mainUrl });
  await client.connect();
  try {
    await client.query('begin');
    await client.query('lock table obs_unit in share row exclusive mode');
    const { rowCount } = await client.query('select from obs_unit limit 1');
    if (rowCount === 0) await client.query(seedSql);
    await client.query('commit');
  } finally {
    await client.end();
  }
}

const seedSql = `
insert into site (short_name, name, location) values
  ('chajnantor', 'Cerro Chajnantor', 'Atacama, Chile'), ('cologne', 'Data centre Cologne', 'Cologne, Germany'),
  ('ithaca', 'Data centre Ithaca', 'Ithaca, New York');
insert into telescope (site_id, name, latitude_deg, longitude_deg, elevation_m) values
  (1, 'FYST', -22.985639, -67.740278, 5611.8);
insert into instrument (telescope_id, name) values (1, 'Prime-Cam'), (1, 'CHAI'), (1, 'Mod-Cam');
insert into instrument_module (instrument_id, name) values
  (1, '280 GHz'), (1, '350 GHz'), (1, '850 GHz'), (1, 'EoR-Spec'), (2, 'LFA'), (2, 'HFA'), (3, '280 GHz');
insert into observing_program (short_name, name) values
  ('WFS', 'Wide field survey'), ('EOR', 'Epoch of reionisation'), ('GEco', 'Galactic ecology'), ('CAL', 'Calibration');
insert into source (type, name, ra_deg, dec_deg) values
  ('solar_system_object', 'Jupiter', null, null), ('solar_system_object', 'Uranus', null, null),
  ('constant_elevation', 'South field', null, null), ('constant_elevation', 'Wide field', null, null),
  ('fixed', 'E-COSMOS', 150.11917, 2.20583), ('fixed', 'E-CDFS', 53.11667, -27.80833),
  ('fixed', 'Orion A', 83.80625, -5.375), ('fixed', 'Galactic centre', 266.41683, -29.00781);
insert into obs_unit (id, observing_program_id, source_id, instrument_id, name)
  select n, 1 + n % 4, 1 + n % 8, 1 + n % 3, format('unit %s', n) from generate_series(1, ${plannedUnits}) n;
select setval(pg_get_serial_sequence('obs_unit', 'id'), ${plannedUnits});
insert into data_transfer_route (origin_site_id, destination_site_id, route_type) values
  (1, 2, 'direct'), (1, 3, 'relay');
insert into data_transfer_package (name, size_bytes, status)
  select format('package-%s', lpad(n::text, 4, '0')), 20000000000 + n * 100000000::bigint,
    (array['pending', 'scheduled', 'in_progress', 'completed', 'failed'])[1 + n % 5] from generate_series(1, 40) n;
insert into raw_data_package (id, data_transfer_package_id, instrument_module_id, name, size_bytes, state, status)
  select gen_random_uuid(), n, 1 + n % 7, format('raw-%s', lpad(n::text, 4, '0')), 10000000000 + n,
    (array['waiting', 'transferring', 'archived', 'failed'])[1 + n % 4],
    (array['pending', 'scheduled', 'in_progress', 'completed', 'failed'])[1 + n % 5] from generate_series(1, 40) n;
insert into data_transfer (data_transfer_package_id, data_transfer_route_id, status)
  select n, 1 + n % 2, (array['pending', 'scheduled', 'in_progress', 'completed', 'failed'])[1 + n % 5]
  from generate_series(1, 40) n;
`;
