/** `npm run link -- down | up | delay 500`: cuts, restores or delays the link of the running stack; without arguments, shows it. */
import { readFile } from 'node:fs/promises';

const [command, value] = process.argv.slice(2);
const change = changeOf();
const { link } = JSON.parse(
  await readFile('.local/stack.json', 'utf8').catch(() => fail('No stack is running here. Run npm start.')),
) as {
  link: string;
};
const response = await fetch(link, {
  method: change ? 'PUT' : 'GET',
  ...(change && { body: JSON.stringify(change) }),
});
const state = (await response.json()) as { up: boolean; round_trip_ms: number };
console.log(`The link is ${state.up ? 'up' : 'down'}; round trip ${state.round_trip_ms} ms.`);

function changeOf(): object | undefined {
  switch (command) {
    case undefined:
      return undefined;
    case 'up':
      return { up: true };
    case 'down':
      return { up: false };
    case 'delay': {
      const milliseconds = Number(value);
      if (value !== undefined && milliseconds >= 0 && milliseconds <= 60_000)
        return { round_trip_ms: milliseconds };
    }
  }
  return fail('Usage: npm run link -- down | up | delay MILLISECONDS (0–60000)');
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
