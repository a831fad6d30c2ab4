/** Notifies and closes connections whose user has lost the right to subscribe. */
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
  #checkedAt = 0;
  #checking: Promise<void> | undefined;

  /** @param forget stops sending messages to a connection */
  constructor(
    parts: RightsParts,
    connections: ReadonlyMap<string, Connection>,
    forget: (id: string) => void,
  ) {
    this.#parts = parts;
    this.#connections = connections;
    this.#forget = forget;
  }

  /** Checks all connections, every 2 s at most. Concurrent calls share one check. */
  check(nowMilliseconds: number): Promise<void> {
    this.#checking ??= this.#check(nowMilliseconds).finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #check(nowMilliseconds: number): Promise<void> {
    const connections = [...this.#connections.values()];
    if (connections.length === 0 || nowMilliseconds - this.#checkedAt < pauseMilliseconds) return;
    const { redis, keys } = this.#parts;
    const revoked = await withoutRight({ redis, keys }, connections, nowMilliseconds);
    this.#checkedAt = nowMilliseconds;
    for (const id of revoked) {
      this.#forget(id);
      // not awaited: a connection that does not respond must not delay others
      void this.#end(id);
    }
  }

  async #end(id: string): Promise<void> {
    const { redis, keys, post, disconnect } = this.#parts;
    // unregister first, so that no other check finds it; if that fails, the registration expires
    await unregister({ redis, keys }, id).catch(() => undefined);
    await post(id, revokedMessage).catch(() => 'gone');
    await disconnect(id).catch(() => undefined);
  }
}
