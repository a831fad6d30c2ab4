import * as z from 'zod/mini';
import { describe, expect, it } from 'vitest';
import { readCursor, writeCursor } from '../../lib/http/page.ts';
import { parse } from '../../lib/http/parse.ts';
import { ProblemError, type Problem } from '../../lib/http/problem.ts';
import { readQuery } from '../../lib/http/query.ts';
import { recordId, timestamp } from '../../lib/observation/executed-obs-unit.ts';

function problemOf(run: () => unknown): Problem {
  try {
    run();
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('readQuery', () => {
  it('reads each parameter', () => {
    expect(readQuery('a=1&b=x%2Cy&c=%C3%A9+z', { takesQuery: true })).toEqual({ a: '1', b: 'x,y', c: 'é z' });
    expect(readQuery('', {})).toEqual({});
  });

  it.each([
    ['status=running&status=failed', 'repeated-parameter'],
    ['day_obs=20261001&day%5Fobs=20261002', 'repeated-parameter'],
    ['a=%00', 'invalid-request'],
    ['a=%EF%BF%BF', 'invalid-request'],
    ['a=Jos%E9', 'invalid-request'],
  ])('refuses %s', (raw, code) => {
    expect(problemOf(() => readQuery(raw, { takesQuery: true }))).toMatchObject({ status: 400, code });
  });

  it('refuses any parameter where the operation takes none', () => {
    expect(problemOf(() => readQuery('dry_run=true', {}))).toMatchObject({
      status: 400,
      code: 'unknown-parameter',
    });
  });
});

describe('parse', () => {
  const schema = z.strictObject({ a: z.optional(z.int()) });

  it('names every fault, including unknown fields', () => {
    expect(problemOf(() => parse(schema, { a: 'x', b: 1 }))).toMatchObject({
      status: 400,
      code: 'invalid-request',
      error_count: 2,
      errors: [{ path: 'a' }, { path: 'b', message: 'is not allowed here' }],
    });
  });

  it('names the faulty path parameter', () => {
    expect(problemOf(() => parse(recordId, 'abc', 'id'))).toMatchObject({
      detail: 'id: must be a UUID.',
      errors: [{ path: 'id' }],
    });
  });

  it('explains how to encode a plus sign', () => {
    expect(problemOf(() => parse(timestamp, '2026-10-01T11:10:00 01:00')).detail).toMatch('%2B');
  });

  it('lists the first ten faults and counts all', () => {
    const many = Object.fromEntries(Array.from({ length: 9999 }, (_, n) => [`${n}${'k'.repeat(200)}`, n]));
    const refusal = problemOf(() => parse(schema, many));
    expect(refusal.error_count).toBe(9999);
    expect(refusal.errors).toHaveLength(10);
    expect(JSON.stringify(refusal).length).toBeLessThan(4000);
  });
});

describe('readCursor', () => {
  const schema = z.tuple([z.string(), z.int()]);

  it('reads what writeCursor wrote', () => {
    expect(readCursor(schema, writeCursor('é', 7))).toEqual(['é', 7]);
  });

  it.each([
    ['text that is not base64', '?'],
    ['text that is not JSON', Buffer.from('[').toString('base64url')],
    ['parts of other types', writeCursor(7, 'x')],
    ['another spelling of the same parts', Buffer.from('["x", 7]').toString('base64url')],
    ['padding', Buffer.from('["x",7]').toString('base64')],
    ['a number with a fraction of zero', Buffer.from('["x",7.0]').toString('base64url')],
  ])('refuses %s', (_what, cursor) => {
    expect(problemOf(() => readCursor(schema, cursor))).toMatchObject({
      status: 400,
      code: 'invalid-cursor',
    });
  });
});
