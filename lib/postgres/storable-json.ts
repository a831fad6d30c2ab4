/**
 * Serializes JSON for `jsonb`, which rejects NUL and lone surrogates although JSON allows them. They are replaced, because a transaction
 * accepted by a release that did not refuse such texts must not make a whole call fail. Pure.
 */
export function storableJson(value: unknown): string {
  // an escaped backslash does not begin an escape sequence
  return JSON.stringify(value).replace(/\\\\|\\u(?:0000|d[89a-f][0-9a-f]{2})/gi, (found) =>
    found === '\\\\' ? found : replacement,
  );
}

const replacement = '\ufffd';
