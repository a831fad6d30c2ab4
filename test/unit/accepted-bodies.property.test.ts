/** For every accepted body: main and every reader get from the stored form the values that the client sent. Pure. */
import { fc, times } from '../support/property.ts';
import { expect, it } from 'vitest';
import { answerOf } from '../../functions/accept/answer.ts';
import { readJsonBody } from '../../lib/http/json-body.ts';
import { parse } from '../../lib/http/parse.ts';
import { ProblemError } from '../../lib/http/problem.ts';
import { executedObsUnitOf, startBody } from '../../lib/observation/executed-obs-unit.ts';
import { draftStart } from '../../lib/observation/record-executed-obs-unit.ts';
import { storableJson } from '../../lib/postgres/storable-json.ts';
import { readTransactionsMessage, transactionMessage } from '../../lib/queue/messages.ts';
import { instantOfMilliseconds } from '../../lib/values/instant.ts';
import { canonicalNumber, identityJson, parseJson } from '../../lib/values/json.ts';

const id = '01980000-0000-7000-8000-00000000000a';
const heading = { id, stamp: 1_790_000_000_000_000, principal: '7', operation: 'startExecutedObsUnit' };
const now = instantOfMilliseconds(1_790_000_000_000);

const digits = fc.stringMatching(/^\d{1,30}$/);
/** Any spelling of a number that JSON allows. */
const number = fc
  .tuple(
    fc.constantFrom('', '-'),
    digits,
    fc.option(digits),
    fc.option(fc.integer({ min: -60, max: 60 })),
    fc.constantFrom('e', 'E', 'e+'),
  )
  .map(([sign, whole, fraction, exponent, e]) => {
    const mantissa = `${sign}${whole.replace(/^0+(?=\d)/, '')}${fraction === null ? '' : `.${fraction}`}`;
    return exponent === null ? mantissa : `${mantissa}${exponent < 0 ? 'e' : e}${exponent}`;
  });
const text = fc.string({ unit: 'binary', maxLength: 8 }).map((each) => JSON.stringify(each));
const key = fc.oneof(text, fc.constantFrom('"a"', '"b"', '"__proto__"', '"1"', '"start_time"'));

/** Texts of JSON values. */
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.oneof(number, text, fc.constantFrom('null', 'true', 'false')),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map(objectOf),
  ),
}));

function objectOf(members: readonly (readonly [string, string])[]): string {
  return `{${members.map(([name, each]) => `${name} : ${each}`).join(',')}}`;
}

const metadata = fc.array(fc.tuple(key, value), { maxLength: 4 }).map(objectOf);

function accepted(body: string) {
  try {
    return parse(startBody, readJsonBody(body));
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 400) return undefined;
    throw error;
  }
}

it('an accepted body reaches main and every reader unchanged', () => {
  let taken = 0;
  fc.assert(
    fc.property(metadata, (sent) => {
      const body = accepted(`{"obs_unit_id":7,"metadata":${sent}}`);
      if (body === undefined) return;
      taken += 1;
      const expected = inJsonbSpelling(sent);
      const { transaction, patch } = draftStart(body, id, heading, now);
      const message = readTransactionsMessage(transactionMessage(transaction));
      if (message.kind !== 'transaction') throw new Error('read as a wake-up');
      const [step] = message.transaction.steps;
      if (step?.kind !== 'create') throw new Error('not a start');
      // as main stores and returns it
      const atMain = JSON.stringify(parseJson(storableJson(step.values.metadata)));
      const read = executedObsUnitOf(id, step.values, { state: 'buffered' });
      const replayed = answerOf(undefined, patch);
      for (const found of [atMain, JSON.stringify(read.metadata), JSON.stringify(replayed.metadata)]) {
        expect(found).toBe(expected);
      }
      expect(identityJson(parseJson(expected))).toBe(identityJson(body.metadata));
    }),
    times(1500),
  );
  expect(taken).toBeGreaterThan(500);
});

/** Spells numbers as jsonb does and orders the keys of objects as JavaScript does. */
function inJsonbSpelling(sent: string): string {
  const exact = sent.replaceAll(/"(?:[^"\\]|\\.)*"|-?\d[-+.\deE]*/g, (token) =>
    token.startsWith('"') ? token : `"#${canonicalNumber(token) ?? ''}"`,
  );
  return JSON.stringify(JSON.parse(exact)).replaceAll(/"#(-?\d[\d.]*)"/g, '$1');
}

it('a body of any bytes is accepted or refused with a problem', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), value, metadata), (body) => {
      accepted(body);
      accepted(`{"obs_unit_id":${body}}`);
      accepted(`{"obs_unit_id":7,"start_time":${body},"id":${body}}`);
    }),
    times(1500),
  );
});
