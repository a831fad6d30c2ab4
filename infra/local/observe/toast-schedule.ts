/** Ground schedules of the TOAST simulation package, as its `GroundSchedule` writes them: three header lines, then scans. */
export interface Scan {
  /** ISO 8601, UTC */
  readonly start: string;
  readonly stop: string;
  readonly patch: string;
  readonly rotationDegrees: number;
  readonly azimuthMinDegrees: number;
  readonly azimuthMaxDegrees: number;
  readonly elevationDegrees: number;
  readonly pass: number;
  readonly subscan: number;
}

export interface Schedule {
  readonly site: string;
  readonly telescope: string;
  readonly scans: readonly Scan[];
}

const time = String.raw`(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2}(?:\.\d+)?)`;
const number = String.raw`(-?\d+(?:\.\d+)?)`;
const scanLine = new RegExp(
  String.raw`^\s*${time}\s+${time}\s+${number}\s+(\S.*?)\s+${number}\s+${number}\s+${number}\s+(\d+)\s+(\d+)\s*$`,
);

/** @throws Error that names the line which is no scan */
export function readToastSchedule(text: string): Schedule {
  const lines = text
    .split(/\r?\n/)
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== '' && !line.startsWith('#'));
  const [header, ...rest] = lines;
  const [site, telescope] = header?.line.trim().split(/\s+/) ?? [];
  if (site === undefined || telescope === undefined || scanLine.test(header?.line ?? '')) {
    throw new Error('line 2: a schedule begins with its site and telescope');
  }
  return { site, telescope, scans: rest.map(({ line, number: at }) => readScan(line, at)) };
}

function readScan(line: string, at: number): Scan {
  const [, startDay, startTime, stopDay, stopTime, rotation, patch, azMin, azMax, elevation, pass, subscan] =
    scanLine.exec(line) ?? [];
  if (patch === undefined) throw new Error(`line ${at}: no scan: ${line.trim()}`);
  const scan = {
    start: `${startDay}T${startTime}Z`,
    stop: `${stopDay}T${stopTime}Z`,
    patch,
    rotationDegrees: Number(rotation),
    azimuthMinDegrees: Number(azMin),
    azimuthMaxDegrees: Number(azMax),
    elevationDegrees: Number(elevation),
    pass: Number(pass),
    subscan: Number(subscan),
  };
  if (!(Date.parse(scan.start) < Date.parse(scan.stop))) {
    throw new Error(`line ${at}: it must stop after it has started`);
  }
  return scan;
}
