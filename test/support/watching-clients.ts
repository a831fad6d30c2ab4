/** Live clients with the events that they have received. */
import { expect } from 'vitest';
import { LiveClient, type LiveEvent } from '../../lib/client/live-client.ts';
import { eventually } from './eventually.ts';
import { finishUnit, startUnit, type Reply, type TestStack } from './test-stack.ts';

type Units = LiveEvent<'executed_obs_units'>;
type Transfers = LiveEvent<'transfer.overview'>;

export interface Watching {
  readonly client: LiveClient;
  readonly units: Units[];
  readonly transfers: Transfers[];
}

/** @param pingMilliseconds interval of pings, after a few unanswered ones of which a client reconnects */
export function watch(stack: TestStack, pingMilliseconds = 1000): Watching {
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
    pingMilliseconds,
  });
  const watching: Watching = { client, units: [], transfers: [] };
  client.subscribe('executed_obs_units', (event) => watching.units.push(event));
  client.subscribe('transfer.overview', (event) => watching.transfers.push(event));
  return watching;
}

/** The records as the client has them. */
export function recordsOf({ units }: Watching): Map<string, unknown> {
  const records = new Map<string, unknown>();
  for (const event of units) {
    if (event.type === 'snapshot') for (const each of event.data) records.set(each.id, each);
    else if (event.data) records.set(event.data.id, event.data);
  }
  return records;
}

/** Expects that no update was delivered twice or out of order. */
export function expectInOrder(events: readonly { readonly position: string; readonly type: string }[]): void {
  const updates = events.filter(({ type }) => type === 'update').map(({ position }) => position);
  expect(new Set(updates).size).toBe(updates.length);
  const keys = updates.map((each) => each.split('-').map(Number)).map(([a = 0, b = 0]) => a * 1e4 + b);
  expect(keys).toEqual([...keys].sort((a, b) => a - b));
}

/** Expects that every client has the present state of the server. */
export async function expectEqualAtRest(
  stack: TestStack,
  watching: readonly Watching[],
  ids: readonly string[],
) {
  await eventually(
    async () => {
      const overview = (await stack.api('/api/transfer/overview')).body;
      // all at once would be throttled
      const records: Reply['body'][] = [];
      for (const id of ids) records.push((await stack.api(`/executed_obs_units/${id}`)).body);
      for (const each of watching) {
        expect(each.transfers.at(-1)?.data).toEqual(overview);
        const known = recordsOf(each);
        // cleaning removes the LSN from `sync` without an update
        for (const record of records) {
          expect(known.get(String(record.id))).toMatchObject({ ...record, sync: { state: 'replicated' } });
        }
      }
    },
    { timeoutMs: 120_000, everyMs: 200 },
  );
}

export interface Changed {
  /** the ids of the units, started and finished with acknowledgement */
  readonly ids: readonly string[];
  /** those that Redis missed in time: they may never have been sent as buffered */
  readonly inQueueAlone: ReadonlySet<string>;
}

/** Starts and finishes units and changes transfers by plain SQL until `signal` is aborted. */
export async function keepChanging(stack: TestStack, name: string, signal: AbortSignal): Promise<Changed> {
  const ids: string[] = [];
  const inQueueAlone = new Set<string>();
  const statuses = ['pending', 'in_progress', 'completed', 'failed'];
  for (let n = 0; !signal.aborted && ids.length < 90; n += 1) {
    const started = await acknowledged(() =>
      startUnit(stack.api, { obs_unit_id: 1 + (n % 300) }, `${name} ${n}`),
    );
    const id = String(started.body.id);
    const finished = await acknowledged(() => finishUnit(stack.api, id, {}, `${name} finish ${n}`));
    ids.push(id);
    const syncs = [started, finished].map(({ body }) => body.sync as { readonly stored_in?: string });
    if (syncs.some(({ stored_in }) => stored_in === 'sqs')) inQueueAlone.add(id);
    await stack.main.query('update data_transfer set status = $1 where id = $2', [
      statuses[n % statuses.length],
      1 + (n % 20),
    ]);
    await new Promise((resume) => setTimeout(resume, 50));
  }
  return { ids, inQueueAlone };
}

/** Repeats a write with the same key until it is acknowledged, as a client does. */
async function acknowledged(write: () => Promise<Reply>): Promise<Reply> {
  return eventually(
    async () => {
      const reply = await write();
      expect(reply.status).toBeLessThan(300);
      return reply;
    },
    { timeoutMs: 60_000, everyMs: 200 },
  );
}
