/**
 * Connections that were idle for long may be dead: a Lambda is frozen between two requests, and a network forgets them without a
 * word. They are closed before the next request, which opens its own.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

const options = { keepAlive: true, maxSockets: 50 };

export class FreshConnections {
  /** for the request handler of an AWS client */
  readonly agents = { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent(options) };
  readonly #suspectAfter: number;
  #answeredAt = -Infinity;

  /** @param suspectAfterMilliseconds without an answer; networks forget connections after minutes */
  constructor(suspectAfterMilliseconds: number) {
    this.#suspectAfter = suspectAfterMilliseconds;
  }

  /** Sends one try of a request. */
  async send<T>(request: () => Promise<T>): Promise<T> {
    if (performance.now() - this.#answeredAt >= this.#suspectAfter) this.#closeIdle();
    const answer = await request();
    this.#answeredAt = performance.now();
    return answer;
  }

  #closeIdle(): void {
    for (const { freeSockets } of Object.values(this.agents)) {
      for (const socket of Object.values(freeSockets).flat()) socket?.destroy();
    }
  }
}
