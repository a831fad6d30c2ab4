import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settleByHand } from '../support/by-hand.ts';
import { inTurn } from '../support/in-turn.ts';
import { finishUnit, startTestStack, startUnit, type Reply, type TestStack } from '../support/test-stack.ts';

let stack: TestStack;
type Unit = Readonly<{ id: string; start_time: string; status: string; obs_unit_id: number }>;

beforeAll(async () => {
  stack = await startTestStack({ settings: { ANSWER_BUDGET_MS: 'always' } });
  await stack.quiesce();
});
afterAll(() => stack.stop());

const list = async (query: string): Promise<Reply & { units: Unit[] }> => {
  const reply = await stack.api(`/executed_obs_units?${query}`);
  return { ...reply, units: reply.body as unknown as Unit[] };
};
const begin = (minute: number, obsUnitId = 1 + (minute % 300)) =>
  startUnit(stack.api, {
    obs_unit_id: obsUnitId,
    start_time: new Date(Date.UTC(2028, 0, 1, 12) + minute * 60_000).toISOString(),
  });

/** Every page, by following the Link header. */
async function pages(query: string): Promise<Unit[]> {
  const all: Unit[] = [];
  for (let next: string | undefined = query; next !== undefined;) {
    const page = await list(next);
    expect(page.status).toBe(200);
    all.push(...page.units);
    next = /<[^?]*\?([^>]*)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1];
  }
  return all;
}

const settle = () => settleByHand(stack);

describe('lists of executed units', () => {
  it('are complete and ordered over pages of any size, with replicated and buffered records mixed', async () => {
    const ids: string[] = [];
    for (let minute = 0; minute < 30; minute += 1) {
      if (minute === 20) await settle();
      // the buffered ones lie between the replicated ones
      const { body } = await begin(minute < 20 ? minute * 3 : (minute - 20) * 6 + 1);
      ids.push(String(body.id));
    }
    const whole = await pages('limit=1000');
    expect(new Set(whole.map(({ id }) => id))).toEqual(new Set(ids));
    const times = whole.map(({ start_time }) => start_time);
    expect(times).toEqual([...times].sort().reverse());
    for (const limit of [1, 7, 29, 30, 31]) expect(await pages(`limit=${limit}`)).toEqual(whole);
    expect((await list('limit=30')).headers.get('link')).toBeNull();
  });

  it('filter after the merge, so that a unit with a buffered finish is not listed as running', async () => {
    await settle();
    const running = await pages('status=running');
    const [first, second] = running;
    await finishUnit(stack.api, first?.id, { status: 'aborted', end_time: '2028-02-01T00:00:00Z' });
    await finishUnit(stack.api, second?.id, { end_time: '2028-02-01T00:00:00Z' });
    expect((await pages('status=running&limit=5')).map(({ id }) => id)).toEqual(
      running.slice(2).map(({ id }) => id),
    );
    expect((await pages('status=aborted')).map(({ id }) => id)).toEqual([first?.id]);
    await settle();
    expect((await pages('status=completed')).map(({ id }) => id)).toEqual([second?.id]);
  });

  it('filter by planned unit, program, source and instrument, also units that are only buffered', async () => {
    const { body } = await begin(200, 42);
    for (const query of [
      'obs_unit_id=42',
      'program=GEco&obs_unit_id=42',
      'source=South%20field&obs_unit_id=42',
    ]) {
      expect((await list(query)).units.map(({ id }) => id)).toEqual([body.id]);
    }
    const { rows } = await stack.main.query<{ id: number }>(
      "select u.id from obs_unit u join instrument i on i.id = u.instrument_id where i.name = 'CHAI'",
    );
    const chai = new Set(rows.map(({ id }) => id));
    const all = await pages('limit=1000');
    expect(await pages('instrument=CHAI&limit=4')).toEqual(all.filter((each) => chai.has(each.obs_unit_id)));
    expect(await pages('program=none')).toEqual([]);
  });

  it('filter by time, with after inclusive, before exclusive and nights from noon to noon', async () => {
    const all = await pages('limit=1000');
    const [from, to] = [all[9]?.start_time, all[3]?.start_time];
    expect(await pages(`started_after=${from}&started_before=${to}&limit=2`)).toEqual(all.slice(4, 10));
    expect(await pages('day_obs=2028-01-01')).toEqual(all);
    expect(await pages('day_obs=2027-12-31')).toEqual([]);
  });

  it('neither lose nor repeat records while others are written, executed and replicated', async () => {
    const before = new Set((await pages('limit=1000')).map(({ id }) => id));
    let isDone = false;
    const writer = (async () => {
      for (let minute = 300; minute < 340; minute += 1) await begin(minute);
      await settle();
      isDone = true;
    })();
    while (!isDone) {
      const ids = (await pages('limit=6')).map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      for (const id of before) expect(ids).toContain(id);
    }
    await writer;
  });

  it('page through more buffered records than one read takes', async () => {
    await inTurn(Array.from({ length: 620 }, (_, n) => () => begin(1000 + Math.floor(n / 2), 300)));
    const found = await pages('obs_unit_id=300&limit=150');
    expect(found).toHaveLength(620);
    const first = await stack.api('/executed_obs_units/300?limit=600');
    expect(first.body).toEqual(found.slice(0, 600));
    const link = /<([^>]*)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    expect(link).toMatch(/^\/executed_obs_units\/300\?/);
    expect((await stack.api(link)).body).toEqual(found.slice(600));
    expect(new Set(found.map(({ id }) => id)).size).toBe(620);
    // none of the newest 500 matches, yet the page is not empty
    expect((await list('limit=3&started_before=2028-01-01T18:00:00Z')).units).toHaveLength(3);
    expect((await list('limit=3&obs_unit_id=42')).units).toHaveLength(1);
  });

  it.each([
    'limit=0',
    'limit=1001',
    'limit=x',
    'cursor=x',
    'status=done',
    'day_obs=today',
    'day_obs=2026-02-31',
    'started_after=now',
    'other=1',
  ])('refuse %s', async (query) => {
    expect(await list(query)).toMatchObject({
      status: 400,
      body: { code: expect.stringMatching(/^invalid-(request|cursor)$/) as string },
    });
  });
});
