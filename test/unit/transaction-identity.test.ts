import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../lib/transaction/canonical.ts';
import { identityOf } from '../../lib/transaction/identity.ts';
import { derivedUuid } from '../../lib/transaction/ids.ts';
import { parseJson } from '../../lib/values/json.ts';

const start = (text: string) =>
  identityOf(
    { principalId: '1', operation: 'startExecutedObsUnit', params: {}, body: parseJson(text) },
    'key',
  );
const finish = (id: string, text: string) =>
  identityOf(
    { principalId: '1', operation: 'finishExecutedObsUnit', params: { id }, body: parseJson(text) },
    'key',
  );
const firstRelease = (params: object, body: unknown, operation = 'startExecutedObsUnit') =>
  derivedUuid('transaction', '1', operation, 'key', canonicalJson({ params, body }));

describe('the identity of a write', () => {
  it.each([
    [
      '{"obs_unit_id":1,"start_time":"2026-10-01T11:10:00Z"}',
      '{"start_time":"2026-10-01T08:10:00.000-03:00","obs_unit_id":1.0}',
    ],
    ['{"obs_unit_id":1,"metadata":{"a":1.50,"b":1e2}}', '{"obs_unit_id":1,"metadata":{"b":100,"a":1.5}}'],
    [
      '{"obs_unit_id":1,"id":"01980000-0000-7000-8000-00000000000A"}',
      '{"obs_unit_id":1,"id":"01980000-0000-7000-8000-00000000000a"}',
    ],
  ])('is the same in another spelling (%#)', (one, other) => {
    expect(start(one).id).toBe(start(other).id);
  });

  it('is the same for another spelling of the id in the path', () => {
    const id = '01980000-0000-7000-8000-00000000000a';
    expect(finish(id.toUpperCase(), '{}').id).toBe(finish(id, '{}').id);
    expect(finish(id.toUpperCase(), '{}').alias).toBe(
      firstRelease({ id: id.toUpperCase() }, {}, 'finishExecutedObsUnit'),
    );
  });

  it.each([
    ['{}', '{"status":"completed"}'],
    [
      '{"obs_unit_id":1,"metadata":{"n":9007199254740993}}',
      '{"obs_unit_id":1,"metadata":{"n":9007199254740992}}',
    ],
    ['{"start_time":"2016-12-31T23:59:60Z"}', '{"start_time":"2017-01-01T00:00:00Z"}'],
    [
      '{"metadata":{"start_time":"2026-10-01T11:10:00Z"}}',
      '{"metadata":{"start_time":"2026-10-01T11:10:00.000Z"}}',
    ],
  ])('differs for another request (%#)', (one, other) => {
    expect(start(one).id).not.toBe(start(other).id);
  });

  it('is that of the first release, without an alias, for a body in canonical spelling', () => {
    const body = { obs_unit_id: 1, start_time: '2026-10-01T11:10:00.000Z', metadata: { a: 1.5 } };
    expect(start(JSON.stringify(body))).toEqual({ id: firstRelease({}, body) });
  });

  it('has that of the first release as its alias for every other body', () => {
    const body = { obs_unit_id: 1, start_time: '2026-10-01T11:10:00+00:00' };
    const { id, alias } = start(JSON.stringify(body));
    expect(alias).toBe(firstRelease({}, body));
    expect(id).toBe(firstRelease({}, { ...body, start_time: '2026-10-01T11:10:00.000Z' }));
    expect(start('{"metadata":{"n":5853498713190525696}}').alias).toBe(
      firstRelease({}, JSON.parse('{"metadata":{"n":5853498713190525696}}')),
    );
  });
});
