import { describe, expect, it } from 'vitest';
import { maxInteger, wholeNumber, wholeNumberText } from '../../lib/values/integer.ts';
import { parseJson } from '../../lib/values/json.ts';

const message = 'must be a whole number from 1 to 3650';

describe('wholeNumber', () => {
  const read = (json: string) => wholeNumber(1, 3650).safeParse(parseJson(json));

  it.each(['30', '30.0', '3e1', '300e-1', '30.000000000000000000000'])('reads %s', (json) => {
    expect(read(json).data).toBe(30);
  });

  it.each(['0', '-1', '3651', '1.5', '1.00000000000000000000001', '12345678901234567890', '1e300', '"30"'])(
    'refuses %s and names the allowed range',
    (json) => {
      expect(read(json).error?.issues).toMatchObject([{ message }]);
    },
  );

  it.each(['true', 'null', '[30]', '{}'])('refuses the non-number %s', (json) => {
    expect(read(json).error?.issues).toMatchObject([{ message }]);
  });
});

describe('wholeNumberText', () => {
  const read = (text: string) => wholeNumberText(1, 3650).safeParse(text);

  it.each(['30', '030', '000000000000030'])('reads %s', (text) => {
    expect(read(text).data).toBe(30);
  });

  it.each(['', '0', '-1', '+1', '3651', '1.0', '3e1', ' 30', '0x1e', '٣', '99999999999999999999'])(
    'refuses %j and names the allowed range',
    (text) => {
      expect(read(text).error?.issues).toMatchObject([{ message }]);
    },
  );

  it('accepts integers up to the largest one of a column', () => {
    expect(wholeNumberText(1, maxInteger).safeParse('2147483647').success).toBe(true);
    expect(wholeNumberText(1, maxInteger).safeParse('2147483648').success).toBe(false);
  });
});
