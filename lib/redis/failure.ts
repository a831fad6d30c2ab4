import { errors } from '@upstash/redis';

/** Redis took the command for wrong: its value is of another type, or a script failed. */
const isDefect = /^(?:ERR(?! max )|WRONGTYPE|NOSCRIPT|NOPERM|EXECABORT|CROSSSLOT)/;

/**
 * Whether a call failed because Redis did not answer or cannot serve now: the network, a time-out, a start, a failover, a full
 * memory. Anything else is a defect: a script that fails, a value of another type, an answer that cannot be parsed.
 */
export function isRedisAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // a proxy in front of it answered in its place
  if (error instanceof errors.UpstashJSONParseError) return true;
  if (error instanceof errors.UpstashError) return !isDefect.test(reasonOf(error.message));
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return true;
  // what `fetch` throws
  return error instanceof TypeError && (error.message === 'fetch failed' || error.message === 'terminated');
}

/** What Redis said, without the command that the client quotes. */
function reasonOf(message: string): string {
  return message.replace(/, command was: .*$/s, '').replace(/^Command \d+ \[ \w+ \] failed: /, '');
}
