import { errors } from '@upstash/redis';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { StatementTooSlow, ReplicaUnavailable } from '../../lib/replication/errors.ts';
import { ProblemError } from '../../lib/http/problem.ts';
import { readFailureOf } from '../../lib/postgres/failure.ts';
import { isRedisUnavailable, RedisUnreachable } from '../../lib/redis/failure.ts';
import { orUnavailable } from '../../lib/smart-query/or-unavailable.ts';

const serverError = (code: string) =>
  Object.assign(new Error('from the server'), { code, severity: 'ERROR' });
const refusal = async (error: unknown) => {
  const thrown: unknown = await orUnavailable(Promise.reject(error as Error)).catch((each: unknown) => each);
  return thrown instanceof ProblemError ? [thrown.problem.status, thrown.problem.code] : thrown;
};
const redisError = (text: string) => new errors.UpstashError(`${text}, command was: ["ERR"]`);

describe('orUnavailable', () => {
  it.each([
    ['an unreachable replica', new ReplicaUnavailable(), 'replica-unavailable'],
    ['an unreachable Redis', new RedisUnreachable('no answer'), 'buffer-unavailable'],
    ['a Redis that is still loading', redisError('LOADING Redis is loading'), 'buffer-unavailable'],
    ['a statement that exceeds its time limit', new StatementTooSlow(), 'statement-too-slow'],
  ])('answers 503 with a code of its own for %s', async (_, error, code) => {
    expect(await refusal(error)).toEqual([503, code]);
  });

  it.each([
    ['a TypeError', new TypeError('undefined is not a function')],
    ['data that fails to parse', z.string().safeParse(1).error],
    ['a script that fails', redisError('ERR user_script:3: attempt to index nil')],
    ['a value of another type', new errors.UpstashError('Command 1 [ hgetall ] failed: WRONGTYPE Operation')],
    ['an invalid statement', serverError('42703')],
  ])('rethrows %s unchanged', async (_, error) => {
    expect(await refusal(error)).toBe(error);
    expect(isRedisUnavailable(error)).toBe(false);
  });
});

describe('readFailureOf', () => {
  it.each([
    ['57014', 'slow'],
    ['40001', 'slow'],
    ['57P01', 'away'],
    ['57P03', 'away'],
    ['53300', 'away'],
    ['3D000', 'away'],
    ['28P01', 'away'],
    ['42703', 'defect'],
    ['22P02', 'defect'],
    ['XX000', 'defect'],
  ])('classifies SQLSTATE %s as %s', (code, expected) => {
    expect(readFailureOf(serverError(code))).toBe(expected);
  });

  it('classifies connection errors of sockets and of the driver as away', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
    });
    for (const error of [
      refused,
      new Error('Connection terminated unexpectedly'),
      new Error('Query read timeout'),
      new Error('timeout exceeded when trying to connect'),
    ]) {
      expect(readFailureOf(error)).toBe('away');
    }
    expect(readFailureOf(new TypeError('x is not iterable'))).toBe('defect');
    expect(readFailureOf('text')).toBe('defect');
  });
});
