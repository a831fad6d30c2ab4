/** Stands for lib/redis/client.ts: the client of Upstash as it is, over the Redis of the history that runs. */
import { Redis } from '@upstash/redis';
import { world } from '../world/world.ts';

interface Call {
  readonly path?: readonly string[];
  readonly body?: unknown;
}

class SimulatedRedis extends Redis {
  constructor() {
    super({
      ...{ url: 'http://127.0.0.1:1', token: 'none' },
      ...{ automaticDeserialization: false, enableAutoPipelining: false, enableTelemetry: false },
    });
    const request = async <T>({ path, body }: Call): Promise<T> => {
      const kind = path?.[0];
      if (kind === undefined) return { result: await run(commandOf(body)) } as T;
      const commands = (body as unknown[]).map(commandOf);
      const answers =
        kind === 'pipeline' ? await world().redis.pipeline(commands) : await world().redis.together(commands);
      return answers as T;
    };
    this.client = { request };
  }
}

function run(command: readonly string[]): Promise<unknown> {
  return world().redis.call(command);
}

function commandOf(body: unknown): string[] {
  return (body as unknown[]).map(String);
}

export function connectRedis(): Redis {
  return new SimulatedRedis();
}
