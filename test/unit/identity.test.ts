import { expect, it } from 'vitest';
import { mintApiToken, readApiToken } from '../../lib/credentials/api-token.ts';
import { canonicalJson } from '../../lib/transaction/canonical.ts';
import { derivedUuid, uuidV7 } from '../../lib/transaction/ids.ts';

it('derivedUuid maps equal parts to the same UUID and different parts to different ones', () => {
  const id = derivedUuid('a', 'b');
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(derivedUuid('a', 'b')).toBe(id);
  expect(derivedUuid('ab', '')).not.toBe(id);
});

it('uuidV7 sorts by time', () => {
  const random = new Uint8Array(10).fill(255);
  const earlier = uuidV7(1_700_000_000_000, random);
  expect(earlier).toMatch(/^018bcfe5-6800-7fff-bfff-ffffffffffff$/);
  expect(uuidV7(1_700_000_000_001, new Uint8Array(10)) > earlier).toBe(true);
});

it('canonicalJson writes equal values as equal texts', () => {
  expect(canonicalJson({ b: 1, a: { d: [1, { y: 1, x: 2 }], c: null } })).toBe(
    '{"a":{"c":null,"d":[1,{"x":2,"y":1}]},"b":1}',
  );
});

it('readApiToken reads a minted token and rejects any changed character', () => {
  const { token, hash } = mintApiToken(
    '42',
    Uint8Array.from({ length: 64 }, (_, n) => n * 3),
  );
  expect(token).toMatch(/^ops_42_[0-9A-Za-z]{36}$/);
  expect(readApiToken(token)).toEqual({ principalId: '42', hash });
  for (let at = 0; at < token.length; at += 1) {
    const changed = token.slice(0, at) + (token[at] === 'x' ? 'y' : 'x') + token.slice(at + 1);
    expect(readApiToken(changed)).toBeUndefined();
  }
});

it('mintApiToken throws when it gets too few usable random bytes', () => {
  expect(() => mintApiToken('1', new Uint8Array(64).fill(255))).toThrow('too few random bytes');
});
