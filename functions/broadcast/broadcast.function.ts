import { positiveInteger } from '../../lib/config/environment.ts';
import { setting } from '../../lib/config/variable.ts';
import { broadcaster, common, redis, replicas, webSocketEndpoint } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'broadcast',
  entry: 'functions/broadcast/broadcast.handler.ts',
  description: 'change feed → connections',
  // a late invocation ends at once because another holds the lease; the sweeper starts a missing broadcaster
  trigger: { kind: 'async', retries: 0, maxAgeSeconds: 60 },
  timeoutSeconds: 900,
  memoryMegabytes: 1024,
  concurrency: 2,
  database: true,
  settings: {
    ...common,
    ...redis,
    ...replicas,
    ...broadcaster,
    ...webSocketEndpoint,
    /** A broadcaster hands over to the next after this time, below Lambda's limit of 900 s. */
    BROADCAST_LIFETIME_SECONDS: setting(positiveInteger, '840'),
  },
} as const satisfies FunctionSpec;
