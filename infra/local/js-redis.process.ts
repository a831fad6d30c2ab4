/** A Redis in JavaScript, for machines without a Redis server. Its own `listen` would bind to every interface. */
import type { AddressInfo } from 'node:net';
import { createRedisCommandExecutor, RedisServerState, Resp2Server } from 'js-redis-server/core';
import { endWithParent } from './process.ts';

endWithParent();
const state = new RedisServerState();
const server = new Resp2Server({ executor: createRedisCommandExecutor(), server: state });
server.server.listen({ port: Number(process.argv[2]), host: '127.0.0.1' }, () => {
  process.send?.((server.server.address() as AddressInfo).port);
});
