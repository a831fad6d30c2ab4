/** Structured logs: one JSON object per line, with possible credentials redacted. */
import { currentIds } from './ids.ts';

const levels = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof levels)[number];

export interface Log {
  readonly debug: (message: string, details?: Readonly<Record<string, unknown>>) => void;
  readonly info: (message: string, details?: Readonly<Record<string, unknown>>) => void;
  readonly warn: (message: string, details?: Readonly<Record<string, unknown>>) => void;
  readonly error: (message: string, details?: Readonly<Record<string, unknown>>) => void;
}

const secret =
  /\bops_\d+_[0-9A-Za-z]+|\beyJ[\w-]+\.[\w-]+\.[\w-]*|\bBearer\s+\S+|(__Host-\w+=|[?&](?:ticket|code|state|code_verifier)=|\\*"(?:code_)?verifier\\*":\\*")[^&;\s"\\]+|(\w+:\/\/[^:/\s]+:)[^@\s]+(?=@)/g;

/** Replaces API tokens, JWTs, cookies, tickets and codes in URLs, and passwords in them. */
export function redact(text: string): string {
  return text.replace(secret, (_all, name?: string, login?: string) => `${name ?? login ?? ''}[redacted]`);
}

/** @param write gets one line; default: stdout, which the Lambda runtime collects */
export function createLog(
  minimum: string,
  context: Readonly<Record<string, unknown>> = {},
  write: (line: string) => void = (line) => process.stdout.write(`${line}\n`),
): Log {
  const lowest = Math.max(0, levels.indexOf(minimum as Level));
  const at =
    (level: Level) =>
    (message: string, details: Readonly<Record<string, unknown>> = {}) => {
      if (levels.indexOf(level) < lowest) return;
      write(JSON.stringify({ level, message, ...context, ...currentIds(), ...details }, describe));
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}

function describe(_key: string, value: unknown): unknown {
  if (value instanceof Error)
    return { name: value.name, message: value.message, stack: value.stack, cause: value.cause };
  if (typeof value === 'string') return redact(value);
  return typeof value === 'bigint' ? String(value) : value;
}
