/** Packages and files of raw data, as they are read with the executed unit that they belong to. */
import type { Sync } from './sync.ts';

export interface RawDataPackage {
  readonly id: string;
  readonly executed_obs_unit_id: string | null;
  readonly instrument_module_id: number | null;
  readonly data_transfer_package_id: number | null;
  readonly name: string;
  readonly size_bytes: number | null;
  readonly checksum: string | null;
  /** where it is kept */
  readonly state: string;
  /** what is being done with it */
  readonly status: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly sync: Sync;
}

export interface RawDataFile {
  readonly id: string;
  readonly executed_obs_unit_id: string | null;
  readonly raw_data_package_id: string | null;
  readonly instrument_module_id: number | null;
  readonly name: string;
  readonly size_bytes: number | null;
  readonly checksum: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly sync: Sync;
}
