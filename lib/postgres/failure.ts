/** Classifies failures of reads at a replica. */
import { sqlStateOf } from './sql-state.ts';

/** 57014: time-out; 40001: the snapshot delayed replay for too long. */
const tooSlow = ['57014', '40001'];
/**
 * Connection exceptions, too many connections, stopping or starting, unreadable files; a replica without our role or database yet.
 */
const away = ['08', '28', '3D', '53', '57P', '58'];

/**
 * - away: the server did not answer, or temporarily cannot serve
 * - slow: the server cancelled the statement
 * - defect: anything else, including an invalid statement
 */
export function readFailureOf(error: unknown): 'away' | 'slow' | 'defect' {
  const state = sqlStateOf(error);
  if (state !== undefined) {
    if (tooSlow.includes(state)) return 'slow';
    return away.some((prefix) => state.startsWith(prefix)) ? 'away' : 'defect';
  }
  return isConnectionFailure(error) ? 'away' : 'defect';
}

/** Whether the server did not answer in time. A refused connection is not a time-out, since it fails at once. */
export function isTimeout(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { readonly code?: unknown };
  return code === 'ETIMEDOUT' || /\btime-?out\b/i.test(error.message);
}

/** Socket errors have a code; the driver's errors only a text. */
function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, syscall } = error as { readonly code?: unknown; readonly syscall?: unknown };
  if (typeof code === 'string' && (typeof syscall === 'string' || /^E[A-Z]+$/.test(code))) return true;
  return /^(?:Connection terminated|Query read timeout|timeout (?:expired|exceeded)|Client (?:has encountered|was closed)|The server does not support)/i.test(
    error.message,
  );
}
