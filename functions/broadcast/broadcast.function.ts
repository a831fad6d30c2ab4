import { positiveInteger } from '../../lib/config/environment.ts';
import { setting } from '../../lib/config/variable.ts';
import { broadcaster, common, redis, replicas, webSocketEndpoint } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'broadcast',
  entry: 'functions/broadcast/broadcast.handler.ts',
  description: 'change feed → connections',
  // a start that comes late finds another at work; the sweeper starts one that is missing
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
    /** A broadcaster hands over after this; below Lambda's limit of 900 s. */
    BROADCAST_LIFETIME_SECONDS: setting(positiveInteger, '840'),
  },
} as const satisfies FunctionSpec;
