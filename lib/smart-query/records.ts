/** Merged records in the shapes of the API. Pure. */
import { executedObsUnitOf, type ExecutedObsUnit } from '../observation/executed-obs-unit.ts';
import type { Included } from '../observation/operations.ts';
import type { RawDataFile, RawDataPackage } from '../observation/raw-data.ts';
import type { Merged, MergedRecord } from './merge.ts';

/** The executed units of a merge, each with its included packages and files. */
export function executedObsUnitsOf(merged: Merged, include: readonly Included[]): ExecutedObsUnit[] {
  const packages = include.includes('packages') ? byUnit(merged.raw_data_package) : undefined;
  const files = include.includes('files') ? byUnit(merged.raw_data_file) : undefined;
  return [...merged.executed_obs_unit.values()].map((record) => ({
    ...executedObsUnitOf(record.id, record.values, record.sync),
    ...(packages && { packages: (packages.get(record.id) ?? []).map(rawDataPackage).sort(byName) }),
    ...(files && { files: (files.get(record.id) ?? []).map(rawDataFile).sort(byName) }),
  }));
}

function byUnit(records: ReadonlyMap<string, MergedRecord>): Map<string, MergedRecord[]> {
  return Map.groupBy(records.values(), ({ values }) => text(values.executed_obs_unit_id) ?? '');
}

function byName(a: { name: string; id: string }, b: { name: string; id: string }): number {
  const [left, right] = [`${a.name} ${a.id}`, `${b.name} ${b.id}`];
  return left < right ? -1 : left > right ? 1 : 0;
}

function rawDataPackage({ id, values, sync }: MergedRecord): RawDataPackage {
  return {
    id,
    executed_obs_unit_id: text(values.executed_obs_unit_id),
    instrument_module_id: number(values.instrument_module_id),
    data_transfer_package_id: number(values.data_transfer_package_id),
    name: text(values.name) ?? '',
    size_bytes: number(values.size_bytes),
    checksum: text(values.checksum),
    state: text(values.state) ?? 'waiting',
    status: text(values.status) ?? 'pending',
    metadata: object(values.metadata),
    sync,
  };
}

function rawDataFile({ id, values, sync }: MergedRecord): RawDataFile {
  return {
    id,
    executed_obs_unit_id: text(values.executed_obs_unit_id),
    raw_data_package_id: text(values.raw_data_package_id),
    instrument_module_id: number(values.instrument_module_id),
    name: text(values.name) ?? '',
    size_bytes: number(values.size_bytes),
    checksum: text(values.checksum),
    metadata: object(values.metadata),
    sync,
  };
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
