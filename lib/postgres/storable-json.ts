/**
 * JSON that `jsonb` takes. It refuses a NUL and half a surrogate pair, each of them legal in JSON, and with one of them the
 * whole call: what was accepted before such texts were refused at the door must not stop everything behind it. Pure.
 */
export function storableJson(value: unknown): string {
  // a backslash that is escaped itself begins nothing
  return JSON.stringify(value).replace(/\\\\|\\u(?:0000|d[89a-f][0-9a-f]{2})/gi, (found) =>
    found === '\\\\' ? found : replacement,
  );
}

const replacement = '\ufffd';
