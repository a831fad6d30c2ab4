import { Redis } from '@upstash/redis';
import { Transport, type TransportSettings } from './transport.ts';

export type { Redis };

/** A call that exceeds its time-out fails, although its command may still be executed. */
export type RedisSettings = Pick<TransportSettings, 'url' | 'token'> & Partial<TransportSettings>;

/** Sends and returns values as text, without JSON conversion. */
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
 * A client without retries: a call fails with RedisUnreachable or RedisError (see `redisFailure`). Only a call on a connection that
 * died while idle is repeated, once, within its time-out.
 */
export function connectRedis(settings: RedisSettings): Redis {
  return new PlainRedis(settings);
}
