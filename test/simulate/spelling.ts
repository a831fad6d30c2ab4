/** The same request as another client library writes it. */
export function respelled(body: Readonly<Record<string, unknown>>): string {
  const reversed = Object.fromEntries(
    Object.entries(body)
      .reverse()
      .map(([name, value]) => [
        name,
        name.endsWith('_time') && typeof value === 'string' ? otherInstant(value) : value,
      ]),
  );
  return JSON.stringify(reversed, null, 1);
}

/** The same instant an hour further east, with trailing zeros. */
function otherInstant(text: string): string {
  const [, date = '', fraction = '', offset = 'Z'] =
    /^(.*?T\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  if (date === '') return text;
  const shifted = Date.parse(`${date}${offset}`) + 3_600_000;
  const east = new Date(shifted).toISOString().slice(0, 19);
  return `${east}.${fraction.padEnd(6, '0')}+01:00`;
}
