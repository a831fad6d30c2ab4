/** `npm run observe -- SCHEDULE [--speed 600 | max] [--url …] [--token …] [--json]` */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { decodeJwt } from 'jose';
import { readApiToken } from '../../../lib/credentials/api-token.ts';
import { ObservatoryClient } from '../../../lib/client/observatory-client.ts';
import { percentile } from '../percentile.ts';
import { observe, type Observed, type Progress } from './observe.ts';
import { readFirstReleaseRun } from './first-release-run.ts';
import { readSchedule } from './schedule/read-schedule.ts';
import { ScheduleError, type Schedule } from './schedule/scan.ts';

const usage = 'Usage: npm run observe -- SCHEDULE [--speed 600 | max] [--url URL] [--token TOKEN] [--json]';
const { positionals, values: options } = arguments_();
const [file] = positionals;
if (file === undefined || positionals.length > 1) fail(usage);
const speed = options.speed === 'max' ? Infinity : Number(options.speed);
if (!(speed > 0)) fail(`--speed must be a number above zero, or max, not ${options.speed}`);
const content = await readFile(file).catch(() => fail(`The schedule ${file} cannot be read.`));
const schedule = readFrom(content);
const { url, token } = await target();
const principal = principalOf(token);

const stopping = new AbortController();
process.on('SIGINT', () => stopping.abort());
const observed = await observe(schedule, {
  client: new ObservatoryClient({ url, token }),
  firstRelease:
    principal === undefined ? new Map() : readFirstReleaseRun(content.toString('utf8'), principal),
  speed,
  signal: stopping.signal,
  sleep: (milliseconds) => delay(milliseconds, undefined, { signal: stopping.signal }).catch(() => undefined),
  onProgress: showProgress,
});
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
for (const error of observed.errors.slice(0, 10)) console.error(error);
if (options.json) console.log(JSON.stringify(resultOf(observed)));
else console.log(summary(observed));
process.exit(observed.failed > 0 ? 1 : 0);

function arguments_() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        speed: { type: 'string', default: 'max' },
        url: { type: 'string' },
        token: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : ''}\n${usage}`);
  }
}

function readFrom(bytes: Uint8Array): Schedule {
  try {
    return readSchedule(bytes);
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    return fail(`${file}, ${error.message}\nNothing was sent.`);
  }
}

/** The user id that a token claims. */
function principalOf(credential: string): string | undefined {
  const claim = readApiToken(credential);
  if (claim) return claim.principalId;
  try {
    return decodeJwt(credential).sub;
  } catch {
    return undefined;
  }
}

async function target(): Promise<{ url: string; token: string }> {
  if (options.url !== undefined && options.token !== undefined)
    return { url: options.url.replace(/\/$/, ''), token: options.token };
  const text = await readFile('.local/stack.json', 'utf8').catch(() =>
    fail('No stack is running here. Run npm start, or pass --url and --token.'),
  );
  const stack = JSON.parse(text) as { http: string; tokens: { service: string } };
  return { url: options.url?.replace(/\/$/, '') ?? stack.http, token: options.token ?? stack.tokens.service };
}

function showProgress({ done, scans, failed }: Progress): void {
  const bad = failed > 0 ? `, ${failed} failed` : '';
  if (process.stderr.isTTY) {
    const filled = Math.round((30 * done) / scans);
    process.stderr.write(`\r[${'#'.repeat(filled)}${' '.repeat(30 - filled)}] ${done}/${scans} scans${bad}`);
  } else if (done % 100 === 0 || done === scans) {
    console.error(`${done}/${scans} scans${bad}`);
  }
}

function resultOf({
  scans,
  accepted,
  finished,
  failed,
  replayed,
  kept,
  ids,
  latenciesMilliseconds,
}: Observed) {
  return {
    scans,
    accepted,
    finished,
    failed,
    skipped: schedule.skipped.length,
    replayed,
    kept,
    p50_ms: percentile(latenciesMilliseconds, 0.5),
    p99_ms: percentile(latenciesMilliseconds, 0.99),
    ids,
  };
}

function summary(result: Observed): string {
  const { scans, accepted, finished, failed, replayed, kept, p50_ms, p99_ms } = resultOf(result);
  const parts = [
    `${scans} scans: ${accepted} started, ${finished} finished, ${failed} failed`,
    ...(replayed > 0 ? [`${replayed} repeated answers`] : []),
    ...(kept > 0 ? [`${kept} writes recorded before with other values, which are kept`] : []),
  ];
  const again =
    failed > 0 ? '\nRun the command again to continue: recorded scans are not recorded twice.' : '';
  return `${parts.join(', ')}${skippedSummary()}; answers p50 ${p50_ms} ms, p99 ${p99_ms} ms.${again}`;
}

/** The number of entries of each kind that are not scans. */
function skippedSummary(): string {
  const kinds = Object.entries(Object.groupBy(schedule.skipped, ({ kind }) => kind));
  if (kinds.length === 0) return '';
  return `; not scans: ${kinds.map(([kind, entries = []]) => `${entries.length} ${kind}`).join(', ')}`;
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
