import { positiveInteger } from '../../lib/config/environment.ts';
import { setting } from '../../lib/config/variable.ts';
import { broadcaster, common, redis, webSocketEndpoint } from '../../lib/config/variables.ts';
import type { FunctionSpec } from '../../lib/function/function-spec.ts';

export const spec = {
  name: 'connect',
  entry: 'functions/connect/connect.handler.ts',
  description: '$connect, $default, $disconnect of the WebSocket API',
  trigger: { kind: 'websocket', routes: ['$connect', '$default', '$disconnect'] },
  timeoutSeconds: 10,
  memoryMegabytes: 512,
  concurrency: 40,
  database: false,
  settings: {
    ...common,
    ...redis,
    ...broadcaster,
    ...webSocketEndpoint,
    SOCKETS_PER_USER: setting(positiveInteger, '20'),
  },
} as const satisfies FunctionSpec;
