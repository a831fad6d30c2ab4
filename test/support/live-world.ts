/** Clients that watch, and what they have been told. */
import { expect } from 'vitest';
import { LiveClient, type LiveEvent } from '../../lib/client/live-client.ts';
import { eventually } from './eventually.ts';
import { finishUnit, startUnit, type TestStack } from './test-stack.ts';

type Units = LiveEvent<'executed_obs_units'>;
type Transfers = LiveEvent<'transfer.overview'>;

export interface Watching {
  readonly client: LiveClient;
  readonly units: Units[];
  readonly transfers: Transfers[];
}

export function watch(stack: TestStack): Watching {
  const { websocket, tokens } = stack.description;
  const client = new LiveClient({
    url: websocket,
    ticket: async () => {
      const { status, body } = await stack.api('/api/ws/ticket', { method: 'POST', token: tokens.viewer });
      if (status !== 201) throw new Error(`no ticket: ${status}`);
      return String(body.ticket);
    },
    firstPauseMilliseconds: 20,
    longestPauseMilliseconds: 500,
    pingMilliseconds: 1000,
  });
  const watching: Watching = { client, units: [], transfers: [] };
  client.subscribe('executed_obs_units', (event) => watching.units.push(event));
  client.subscribe('transfer.overview', (event) => watching.transfers.push(event));
  return watching;
}

/** The records as the client knows them. */
export function recordsOf({ units }: Watching): Map<string, unknown> {
  const records = new Map<string, unknown>();
  for (const event of units) {
    if (event.type === 'snapshot') for (const each of event.data) records.set(each.id, each);
    else if (event.data) records.set(event.data.id, event.data);
  }
  return records;
}

/** Nothing was delivered twice or out of order: in one feed positions only rise. */
export function expectInOrder(events: readonly { readonly position: string; readonly type: string }[]): void {
  const updates = events.filter(({ type }) => type === 'update').map(({ position }) => position);
  expect(new Set(updates).size).toBe(updates.length);
  const keys = updates.map((each) => each.split('-').map(Number)).map(([a = 0, b = 0]) => a * 1e4 + b);
  expect(keys).toEqual([...keys].sort((a, b) => a - b));
}

/** What every client knows is what the server says now. */
export async function expectEqualAtRest(
  stack: TestStack,
  watching: readonly Watching[],
  ids: readonly string[],
) {
  await eventually(
    async () => {
      const overview = (await stack.api('/api/transfer/overview')).body;
      const records = await Promise.all(
        ids.map(async (id) => (await stack.api(`/executed_obs_units/${id}`)).body),
      );
      for (const each of watching) {
        expect(each.transfers.at(-1)?.data).toEqual(overview);
        const known = recordsOf(each);
        // a record that is cleaned loses its position in the log without a word
        for (const record of records) {
          expect(known.get(String(record.id))).toMatchObject({ ...record, sync: { state: 'replicated' } });
        }
      }
    },
    { timeoutMs: 40_000, everyMs: 200 },
  );
}

/** Starts, finishes and changes by plain SQL, until told to stop. Gives the ids of what was acknowledged. */
export async function keepChanging(stack: TestStack, name: string, signal: AbortSignal): Promise<string[]> {
  const ids: string[] = [];
  const statuses = ['pending', 'in_progress', 'completed', 'failed'];
  for (let n = 0; !signal.aborted && ids.length < 90; n += 1) {
    const { body, status } = await startUnit(stack.api, { obs_unit_id: 1 + (n % 300) }, `${name} ${n}`);
    if (status === 201) {
      ids.push(String(body.id));
      await finishUnit(stack.api, body.id, {}, `${name} finish ${n}`);
    }
    await stack.main.query('update data_transfer set status = $1 where id = $2', [
      statuses[n % statuses.length],
      1 + (n % 20),
    ]);
    await new Promise((resume) => setTimeout(resume, 50));
  }
  return ids;
}
