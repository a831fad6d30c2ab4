/** Whoever has lost the right to watch is told, and the connection ends. */
import { unregister, type Connection } from '../../lib/sockets/connections.ts';
import { revokedMessage } from '../../lib/channels/protocol.ts';
import { withoutRight } from '../../lib/sockets/revocation.ts';
import type { Disconnect, Post } from '../../lib/sockets/post.ts';
import type { Site } from '../../lib/redis/site.ts';

interface RightsParts extends Site {
  readonly post: Post;
  readonly disconnect: Disconnect;
}

const pauseMilliseconds = 2000;

export class Rights {
  readonly #parts: RightsParts;
  readonly #connections: ReadonlyMap<string, Connection>;
  readonly #forget: (id: string) => void;
  #lookedAt = 0;
  #looking: Promise<void> | undefined;

  /** @param forget nothing more is sent to it */
  constructor(
    parts: RightsParts,
    connections: ReadonlyMap<string, Connection>,
    forget: (id: string) => void,
  ) {
    this.#parts = parts;
    this.#connections = connections;
    this.#forget = forget;
  }

  /** Looks every other second at most; who asks while it looks waits for the same look. */
  look(nowMilliseconds: number): Promise<void> {
    this.#looking ??= this.#look(nowMilliseconds).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(nowMilliseconds: number): Promise<void> {
    const connections = [...this.#connections.values()];
    if (connections.length === 0 || nowMilliseconds - this.#lookedAt < pauseMilliseconds) return;
    const { redis, keys } = this.#parts;
    const worthless = await withoutRight({ redis, keys }, connections, nowMilliseconds);
    this.#lookedAt = nowMilliseconds;
    for (const id of worthless) {
      this.#forget(id);
      // one that takes nothing keeps nobody waiting
      void this.#end(id);
    }
  }

  async #end(id: string): Promise<void> {
    const { redis, keys, post, disconnect } = this.#parts;
    // first, so that no other look finds it; what is left of it ends with its life
    await unregister({ redis, keys }, id).catch(() => undefined);
    await post(id, revokedMessage).catch(() => 'gone');
    await disconnect(id).catch(() => undefined);
  }
}
