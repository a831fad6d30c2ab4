-- Up Migration

alter table executed_obs_unit add column leap_second boolean not null default false;
comment on column executed_obs_unit.leap_second is
  'One of its times was given as second 60 of a minute; the second after is what stands there.';

-- Down Migration

alter table executed_obs_unit drop column leap_second;
