import { Redis } from '@upstash/redis';
import { Transport, type TransportSettings } from './transport.ts';

export type { Redis };

/** A call that takes longer than its time-out has failed; its command may still have been executed. */
export type RedisSettings = Pick<TransportSettings, 'url' | 'token'> & Partial<TransportSettings>;

/** Sends what it is told as it stands; values stay the text they were stored as. */
class PlainRedis extends Redis {
  constructor(settings: RedisSettings) {
    super({
      url: settings.url,
      token: settings.token,
      automaticDeserialization: false,
      enableAutoPipelining: false,
      enableTelemetry: false,
    });
    this.client = new Transport({ timeoutMilliseconds: 3000, ...settings });
  }
}

/**
 * A client that calls once: a call fails with RedisUnreachable or RedisError (`redisFailure` tells them apart). Only one that
 * meets a connection that died while it was idle is repeated, once, within its time.
 */
export function connectRedis(settings: RedisSettings): Redis {
  return new PlainRedis(settings);
}
