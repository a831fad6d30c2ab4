/** What the failure of a read at a replica is about. */
import { sqlStateOf } from './sql-state.ts';

/** 57014: its time-out; 40001: its snapshot kept replay waiting for too long. */
const tooSlow = ['57014', '40001'];
/**
 * Connection exceptions, out of connections, stopping or starting, files that cannot be read; a replica that does not have our
 * role or database yet.
 */
const away = ['08', '28', '3D', '53', '57P', '58'];

/**
 * - away: the server did not answer, or cannot serve now
 * - slow: it gave the statement up
 * - defect: anything else, a statement that is wrong included
 */
export function readFailureOf(error: unknown): 'away' | 'slow' | 'defect' {
  const state = sqlStateOf(error);
  if (state !== undefined) {
    if (tooSlow.includes(state)) return 'slow';
    return away.some((prefix) => state.startsWith(prefix)) ? 'away' : 'defect';
  }
  return isConnectionFailure(error) ? 'away' : 'defect';
}

/** Whether nothing came in time. A refused connection answers at once, and costs nothing to ask again. */
export function isTimeout(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { readonly code?: unknown };
  return code === 'ETIMEDOUT' || /\btime-?out\b/i.test(error.message);
}

/** Errors of sockets carry a code; those of the driver, a text alone. */
function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, syscall } = error as { readonly code?: unknown; readonly syscall?: unknown };
  if (typeof code === 'string' && (typeof syscall === 'string' || /^E[A-Z]+$/.test(code))) return true;
  return /^(?:Connection terminated|Query read timeout|timeout (?:expired|exceeded)|Client (?:has encountered|was closed)|The server does not support)/i.test(
    error.message,
  );
}
