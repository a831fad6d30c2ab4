/** What the local stack decides as AWS does, apart from what runs. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nextAttempt } from '../../infra/local/limits/asynchronous.ts';
import { pauseAfterThrottle, pollersOf } from '../../infra/local/limits/event-source.ts';
import { FrameLengths } from '../../infra/local/limits/frame-lengths.ts';
import { defaultFreeze, fateOf } from '../../infra/local/limits/freeze.ts';
import { concurrencyOf, isTooLarge, messagesInEvent } from '../../infra/local/limits/invocation.ts';
import { advance, invocationsIn, isLoop, longest } from '../../infra/local/limits/lineage.ts';
import { hasForbiddenCharacter, pollOf, refusalOfDelay } from '../../infra/local/limits/messages.ts';
import { isOver } from '../../infra/local/limits/socket-life.ts';
import { TokenBucket } from '../../infra/local/limits/token-bucket.ts';
import { limits } from '../../infra/limits.ts';
import { recursive } from '../../infra/recursion.ts';
import { functions, reservedByAll, reservedConcurrency } from '../../infra/topology.ts';

describe('lineage', () => {
  it('counts each function of a chain by itself, and keeps its root', () => {
    let trace: string | undefined = 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8';
    for (let n = 0; n < 16; n += 1) trace = advance(advance(trace, 'apply'), 'confirm');
    expect(invocationsIn(trace, 'apply')).toBe(16);
    expect(trace).toContain('Root=1-5759e988-bd862e3fe1be46a994272793');
    expect([isLoop(trace, 'apply'), isLoop(trace, 'sweep')]).toEqual([true, false]);
  });

  it('reads nothing into a header of another form', () => {
    expect(isLoop('Root=1;Lineage=zz:99|x', 'apply')).toBe(false);
    expect(isLoop(undefined, 'apply')).toBe(false);
  });

  it('of several chains is the longest', () => {
    const [once, twice] = [advance(undefined, 'apply'), advance(advance(undefined, 'apply'), 'apply')];
    expect(longest([once, twice, undefined], 'apply')).toBe(twice);
  });
});

it('functions that may cause their own invocation are those that wake themselves', () => {
  expect([...recursive].sort()).toEqual(['apply', 'broadcast', 'confirm']);
});

describe('an invocation', () => {
  it('has the concurrency that is reserved, or what nobody has reserved', () => {
    expect(concurrencyOf(5, 120)).toBe(5);
    expect(concurrencyOf(undefined, 120)).toBe(880);
    expect(reservedConcurrency('apply')).toBeUndefined();
    expect(reservedByAll).toBeLessThanOrEqual(
      limits.accountConcurrency.value - limits.unreservedConcurrency.value,
    );
  });

  it('is too large by its bytes', () => {
    expect([isTooLarge('é', 4), isTooLarge('é', 3), isTooLarge(undefined, 4)]).toEqual([false, true, false]);
  });

  it('takes as many messages as fit', () => {
    const third = limits.invocationBytes.value / 3;
    expect(messagesInEvent([1, 2, 3])).toBe(3);
    expect(messagesInEvent([third, third, third])).toBe(2);
    expect(messagesInEvent([limits.invocationBytes.value * 2])).toBe(1);
  });
});

describe('an asynchronous event', () => {
  const rules = { retries: 2, maxAgeSeconds: 6 * 3600 };
  const tried = { ageSeconds: 0, failures: 0, throttles: 0 };
  it('is tried again after one minute and two, and no more', () => {
    const pauses = [1, 2, 3].map((failures) => nextAttempt(rules, { ...tried, failures, last: 'failed' }));
    expect(pauses).toEqual([60, 120, undefined]);
  });
  it('is tried again after 1 s to 5 min while it is throttled, until it is too old', () => {
    const pause = (throttles: number, ageSeconds = 0) =>
      nextAttempt(rules, { ...tried, throttles, ageSeconds, last: 'throttled' });
    expect([1, 2, 3, 9, 10, 40].map((each) => pause(each))).toEqual([1, 2, 4, 256, 300, 300]);
    expect(pause(40, 6 * 3600)).toBeUndefined();
  });
  it('of a loop is dropped', () => {
    expect(nextAttempt(rules, { ...tried, last: 'stopped' })).toBeUndefined();
  });
});

it('an event source begins with five batches and gives a throttled one up with its visibility', () => {
  expect([pollersOf(2), pollersOf(50)]).toEqual([2, 5]);
  expect([1, 2, 6, 10].map((each) => pauseAfterThrottle(each, 0, 90))).toEqual([1, 2, 30, 30]);
  expect(pauseAfterThrottle(6, 70, 90)).toBeUndefined();
});

it('a freeze loses connections in turn, after the time of the network', () => {
  const long = limits.idleConnectionSeconds.value * 1000;
  expect(fateOf(defaultFreeze, long - 1, 0)).toBeUndefined();
  expect([0, 1, 2].map((losses) => fateOf(defaultFreeze, long, losses))).toEqual([
    'reset',
    'vanished',
    'reset',
  ]);
});

describe('SQS', () => {
  it.each([
    ['text, tabs and line ends', 'a\t\r\n', false],
    ['a character beyond the basic plane', '🔭', false],
    ['a control character', '\u0001', true],
    ['U+FFFF', '\uffff', true],
    ['half a surrogate pair', '\ud83d', true],
  ])('judges %s', (_what, body, isForbidden) => {
    expect(hasForbiddenCharacter(body)).toBe(isForbidden);
  });
  it('delays by at most 900 s', () => {
    expect([undefined, 0, 900].map(refusalOfDelay)).toEqual([undefined, undefined, undefined]);
    expect(refusalOfDelay(901)?.code).toBe('InvalidParameterValue');
  });
  it('has at most 120,000 messages in flight', () => {
    expect(pollOf(119_999, 0)).toBe('messages');
    expect(pollOf(120_000, 0)).toMatchObject({ code: 'OverLimit' });
    expect(pollOf(120_000, 20)).toBe('nothing');
  });
});

describe('API Gateway', () => {
  it('lets a burst through, then the rate', () => {
    const bucket = new TokenBucket(10, 3);
    expect([0, 0, 0, 0, 50, 150, 150].map((now) => bucket.take(now))).toEqual([
      ...[true, true, true, false],
      ...[false, true, false],
    ]);
  });

  it('ends a connection after ten idle minutes and after two hours', () => {
    const hour = 3_600_000;
    expect(isOver({ connectedAt: 0, lastActiveAt: hour }, hour + 600_000)).toBe(false);
    expect(isOver({ connectedAt: 0, lastActiveAt: hour }, hour + 600_001)).toBe(true);
    expect(isOver({ connectedAt: 0, lastActiveAt: 2 * hour }, 2 * hour + 1)).toBe(true);
  });

  it('sees the length of each frame, however its bytes come', () => {
    const masked = (length: number, header: readonly number[]): number[] => [
      ...[0x81, ...header, 1, 2, 3, 4],
      ...Array.from({ length }, () => 0),
    ];
    const bytes = Uint8Array.from([
      ...masked(5, [0x80 | 5]),
      ...masked(300, [0x80 | 126, 1, 44]),
      ...masked(2, [0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 2]),
      ...masked(0, [0x80]),
    ]);
    const whole = new FrameLengths().push(bytes);
    const one = new FrameLengths();
    expect(whole).toEqual([5, 300, 2, 0]);
    expect([...bytes].flatMap((byte) => one.push(Uint8Array.of(byte)))).toEqual(whole);
  });
});

it('a schedule drops a run that comes late, as a deployment configures it', () => {
  const { retries, maxAgeSeconds } = functions.sweep.trigger;
  expect([retries, maxAgeSeconds]).toEqual([0, limits.leastAsynchronousAgeSeconds.value]);
});

it('the fidelity table has every limit, with its figure and source', () => {
  const readme = readFileSync(new URL('../../infra/local/README.md', import.meta.url), 'utf8');
  const cells = (row: string) => row.split('|').map((cell) => cell.trim());
  const rows = readme.split('\n').filter((line) => line.includes('https://docs.aws.amazon.com/'));
  const expected = Object.values(limits).map(({ value, unit, what, source }) => [
    ...['', value.toLocaleString('en-US'), unit, what, `[page](${source})`, ''],
  ]);
  expect(rows.map(cells)).toEqual(expected);
});
