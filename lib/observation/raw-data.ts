/** Packages and files of raw data, included with their executed unit. */
import * as z from 'zod/mini';
import type { Of } from '../http/operation.ts';
import { sync } from './sync.ts';

const text = z.nullable(z.string());
const integer = z.nullable(z.number());
const metadata = z.record(z.string(), z.unknown());

export const rawDataPackage = z.object({
  id: z.string(),
  executed_obs_unit_id: text,
  instrument_module_id: integer,
  data_transfer_package_id: integer,
  name: z.string(),
  size_bytes: integer,
  checksum: text,
  state: z.string().check(z.describe('Storage state.')),
  status: z.string().check(z.describe('Transfer status.')),
  metadata,
  sync,
});

export type RawDataPackage = Of<typeof rawDataPackage>;

export const rawDataFile = z.object({
  id: z.string(),
  executed_obs_unit_id: text,
  raw_data_package_id: text,
  instrument_module_id: integer,
  name: z.string(),
  size_bytes: integer,
  checksum: text,
  metadata,
  sync,
});

export type RawDataFile = Of<typeof rawDataFile>;
