import { fc } from '../support/property.ts';
import { expect, it } from 'vitest';
import { storableJson } from '../../lib/postgres/storable-json.ts';

it('storableJson replaces characters that jsonb refuses, in keys and values', () => {
  expect(storableJson({ 'a\ud800': ['\udfff', 'x\u0000y'] })).toBe('{"a\ufffd":["\ufffd","x\ufffdy"]}');
  for (const text of ['\\ud800', '\\\\u0000', '😀', 'ü', '\n\t"', '\\']) {
    expect(JSON.parse(storableJson(text))).toBe(text);
  }
});

it('storableJson keeps well-formed texts unchanged', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      fc.pre(!text.includes('\u0000') && text.isWellFormed());
      expect(JSON.parse(storableJson({ text }))).toEqual({ text });
    }),
  );
});
