/** Draws a plan from a seed. */
import { Random } from '../engine/random.ts';
import { bodyOf, rowValues, type RowTable, type WriteOperation } from './bodies.ts';
import {
  losses,
  outages,
  poisons,
  type Action,
  type Event,
  type Fault,
  type Plan,
  type RowStep,
} from './plan.ts';

/** What there is to be done, by the contracts and the list of tables. */
export interface Vocabulary {
  readonly writes: readonly WriteOperation[];
  readonly tables: readonly RowTable[];
}

const unitCount = 4;

export function drawPlan(seed: number, vocabulary: Vocabulary): Plan {
  const random = new Random(seed);
  const count = 5 + random.int(16);
  const events: Event[] = [];
  for (let id = 0; id < count; id += 1) {
    const after = random.chance(0.15) ? random.int(100_000) : random.int(random.chance(0.5) ? 30 : 3000);
    const skew = random.chance(0.1) ? 180_000 : 0;
    events.push({ id, after, skew, ...drawAction(random, vocabulary, events) });
  }
  const length = events.reduce((sum, { after }) => sum + after, 0) + 20_000;
  const faultCount = random.weighted({ 0: 1, 1: 4, 2: 4, 3: 1 });
  const faults = Array.from({ length: Number(faultCount) }, () => drawFault(random, length));
  return { seed, events, faults };
}

function drawAction(random: Random, { writes, tables }: Vocabulary, before: readonly Event[]): Action {
  const unit = random.int(unitCount);
  const keyed = before.filter((each) => each.kind === 'write' && each.key !== undefined);
  const written = before.filter(({ kind }) => kind === 'write' || kind === 'poison' || kind === 'rows');
  const kind = random.weighted({
    ...{ write: 40, repeat: 8, reuse: 2, rows: 8, poison: 4, unreadable: 1 },
    ...{ read: 14, list: 10, status: 4, decide: 4, sql: 4 },
  });
  const earlier = random.pick(kind === 'repeat' || kind === 'reuse' ? keyed : written);
  switch (kind) {
    case 'repeat':
      if (earlier) return { kind, of: earlier.id, isRespelled: random.chance(0.5) };
      break;
    case 'reuse':
      if (earlier) return { kind, of: earlier.id, body: { metadata: { reused: random.int(1000) } } };
      break;
    case 'status':
      if (earlier) return { kind, of: earlier.id };
      break;
    case 'decide':
      if (earlier) return { kind, of: earlier.id, action: random.chance(0.5) ? 'retry' : 'discard' };
      break;
    case 'rows': {
      const steps = drawSteps(random, tables);
      if (steps.length > 0) return { kind, unit, steps };
      break;
    }
    case 'poison':
      // its own unit: what it does to others is what is looked for
      return {
        kind,
        poison: random.pick(poisons) ?? 'tooSlow',
        unit: random.chance(0.7) ? 100 + random.int(2) : unit,
      };
    case 'unreadable':
      return { kind, which: random.int(4) };
    case 'read':
      return { kind, unit };
    case 'list':
      return { kind, query: drawQuery(random), limit: 1 + random.int(3) };
    case 'sql':
      return { kind, unit, change: random.pick(['move', 'delete', 'fail', 'reopen']) };
    default:
  }
  const operation = random.pick(writes);
  if (!operation) throw new Error('no operation records anything');
  const body = bodyOf(operation.body, random);
  const isNew = !operation.path.includes('{');
  const key = random.chance(0.6) ? `key ${random.int(1000)}` : undefined;
  const givesId = isNew && random.chance(0.7);
  return {
    ...{ kind: 'write', operation: operation.name, unit, key, principal: 1 + random.int(2) },
    body: { ...body, ...(givesId && { id: '$unit' }) },
  };
}

function drawQuery(random: Random): string {
  const conditions = [
    random.chance(0.5) && `status=${random.pick(['running', 'completed', 'aborted', 'failed'])}`,
    random.chance(0.3) && `obs_unit_id=${1 + random.int(3)}`,
    random.chance(0.2) && `started_after=2028-01-01T00:00:00.5Z`,
    random.chance(0.2) && `started_before=2028-01-01T00:01:00Z`,
  ];
  return conditions.filter(Boolean).join('&');
}

function drawSteps(random: Random, tables: readonly RowTable[]): RowStep[] {
  const table = random.pick(tables);
  if (!table) return [];
  const rows = random.chance(0.5) || table.parent === undefined ? [random.int(2)] : [0, 1];
  // of two steps that write one field of one row the first counts
  return rows.map((row): RowStep => {
    const kind = table.parent === undefined ? 'update' : random.weighted({ create: 5, update: 4, delete: 1 });
    return {
      ...{ kind, table: table.name, row },
      values: kind === 'delete' ? {} : rowValues(table, random, kind === 'create'),
    };
  });
}

function drawFault(random: Random, length: number): Fault {
  const at = random.int(length);
  switch (random.weighted({ call: 6, outage: 3, loss: 3, message: 2 })) {
    case 'call':
      return {
        ...{ kind: 'call', nth: random.int(60) },
        store: random.pick(['redis', 'redis', 'queue', 'main', 'replica']),
        phase: random.pick(['before', 'after']),
        does: random.pick(['fail', 'kill', 'kill', 'freeze', 'cut']),
      };
    case 'outage':
      return {
        kind: 'outage',
        what: random.pick(outages) ?? 'main away',
        at,
        lasts: 500 + random.int(120_000),
      };
    case 'loss':
      return {
        kind: 'loss',
        what: random.pick(losses) ?? 'redis emptied',
        at,
        since: Math.max(0, at - random.int(20_000)),
      };
    case 'message':
      return { kind: 'message', nth: random.int(12), fate: random.pick(['lost', 'twice', 'late']) };
  }
}
