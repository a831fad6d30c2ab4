/** A client as observatory scripts need it: every write has a key, and is repeated under it until it is answered. */
import { createHash } from 'node:crypto';
import * as z from 'zod/mini';

export interface ClientSettings {
  /** origin of the API */
  readonly url: string;
  readonly token: string;
  /** a request that takes longer is repeated */
  readonly timeoutMilliseconds?: number;
  /** an unanswered write is given up after this */
  readonly patienceMilliseconds?: number;
}

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly replayed: boolean;
  /** of the try that was answered */
  readonly milliseconds: number;
  readonly tries: number;
}

interface Try {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  readonly key?: string;
  readonly tries: number;
  readonly signal?: AbortSignal | undefined;
}

const transaction = z.object({ state: z.string(), record_ids: z.array(z.string()) });

/** The server said no for good: repeating the request would not help. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly answer: Answer;

  constructor(answer: Answer) {
    const { detail = answer.status } = answer.body;
    super(typeof detail === 'string' ? detail : `status ${answer.status}`);
    this.answer = answer;
  }
}

const firstPauseMilliseconds = 100;
const longestPauseMilliseconds = 5000;

export class ObservatoryClient {
  readonly #settings: Required<ClientSettings>;

  constructor(settings: ClientSettings) {
    this.#settings = { timeoutMilliseconds: 10_000, patienceMilliseconds: 60_000, ...settings };
  }

  /** `POST /executed_obs_units/start` @throws Refused */
  start(body: object, key: string, signal?: AbortSignal): Promise<Answer> {
    return this.#write('POST', '/executed_obs_units/start', body, key, signal);
  }

  /** `PUT /executed_obs_units/{id}/finish` @throws Refused */
  finish(id: string, body: object, key: string, signal?: AbortSignal): Promise<Answer> {
    return this.#write('PUT', `/executed_obs_units/${id}/finish`, body, key, signal);
  }

  /**
   * `GET /api/transactions/{id}`
   * @returns undefined if it is not known, or if nobody can say so now: what is to be recorded does not wait for that
   */
  async findTransaction(id: string): Promise<{ state: string; record_ids: readonly string[] } | undefined> {
    const givesUpAt = Date.now() + this.#settings.patienceMilliseconds;
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#once({ method: 'GET', path: `/api/transactions/${id}`, tries });
      if (answer?.status === 200) return transaction.parse(answer.body);
      if (answer?.status !== 429 || Date.now() > givesUpAt) return undefined;
      await pauseAfter(tries);
    }
  }

  async #write(
    method: string,
    path: string,
    body: object,
    key: string,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const givesUpAt = Date.now() + this.#settings.patienceMilliseconds;
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#once({ method, path, body, key, tries, signal });
      if (answer !== undefined && answer.status < 300) return answer;
      const isFinal = answer !== undefined && answer.status < 500 && answer.status !== 429;
      if (isFinal) throw new Refused(answer);
      if (Date.now() > givesUpAt || signal?.aborted) {
        throw answer ? new Refused(answer) : new Error(`${this.#settings.url} does not answer`);
      }
      await pauseAfter(tries);
    }
  }

  /** @returns undefined without an answer: what was asked may have happened, and is asked again under its key */
  async #once({ method, path, body, key, tries, signal }: Try): Promise<Answer | undefined> {
    const { url, token, timeoutMilliseconds } = this.#settings;
    const timeout = AbortSignal.timeout(timeoutMilliseconds);
    const began = performance.now();
    try {
      const response = await fetch(url + path, {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          ...(key !== undefined && { 'Idempotency-Key': key }),
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      return {
        body: (await response.json()) as Record<string, unknown>,
        status: response.status,
        replayed: response.headers.get('idempotency-replayed') === 'true',
        milliseconds: performance.now() - began,
        tries,
      };
    } catch {
      return undefined;
    }
  }
}

function pauseAfter(tries: number): Promise<void> {
  const ceiling = Math.min(longestPauseMilliseconds, firstPauseMilliseconds * 2 ** tries);
  return new Promise((resume) => setTimeout(resume, Math.random() * ceiling));
}

/** A key that is the same for the same parts: running a script again repeats its requests and adds nothing. */
export function stableKey(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}
