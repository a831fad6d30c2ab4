import { Redis } from '@upstash/redis';

export type { Redis };

export interface RedisSettings {
  /** REST endpoint */
  readonly url: string;
  readonly token: string;
  /** a request that takes longer has failed; its command may still have been executed */
  readonly timeoutMilliseconds?: number;
}

/**
 * A client that does exactly what it is told: one HTTP request per call and never a second try, since a lost answer
 * says nothing about the command; values stay the text they were stored as.
 */
export function connectRedis({ url, token, timeoutMilliseconds = 3000 }: RedisSettings): Redis {
  return new Redis({
    url,
    token,
    retry: { retries: 0 },
    signal: () => AbortSignal.timeout(timeoutMilliseconds),
    automaticDeserialization: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
    responseEncoding: false,
    readYourWrites: false,
  });
}
