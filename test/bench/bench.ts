/** `npm run bench [-- answers | independence | drain | copies | reads | authentication | confirm | live | large | bundle | release-1]…`: all, or the named ones. */
import { cpus, totalmem } from 'node:os';
import { benchAnswers } from './answers.ts';
import { benchAuthentication } from './authentication.ts';
import { benchBundle } from './bundle.ts';
import { benchIndependence } from './independence.ts';
import { benchConfirm } from './confirm.ts';
import { benchCopies } from './copies.ts';
import { benchDrain } from './drain.ts';
import { benchLarge } from './large.ts';
import { benchLive } from './live.ts';
import { benchReads } from './reads.ts';
import { benchRelease1 } from './release-1.ts';

const benches = {
  answers: benchAnswers,
  independence: benchIndependence,
  drain: benchDrain,
  copies: benchCopies,
  reads: benchReads,
  authentication: benchAuthentication,
  confirm: benchConfirm,
  live: benchLive,
  large: benchLarge,
  bundle: benchBundle,
  'release-1': benchRelease1,
};
const wanted = process.argv.slice(2);
const [cpu] = cpus();
console.log(
  `${cpu?.model ?? ''}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB; Node ${process.version}`,
);
console.log('Servers and load generator share this machine. No figure describes AWS or Upstash.\n');
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`## ${name}\n`);
  await bench();
  console.log('');
}
