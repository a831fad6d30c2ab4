/** A client for observatory scripts: every write has a key, and is repeated with it until it is answered. */
import { createHash } from 'node:crypto';
import { HttpClient, type RequestOf } from './http-client.ts';

export interface ClientSettings {
  /** origin of the API */
  readonly url: string;
  readonly token: string;
  /** time-out of a request, which is then repeated */
  readonly timeoutMilliseconds?: number;
  /** time after which an unanswered write fails */
  readonly patienceMilliseconds?: number;
}

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly replayed: boolean;
  /** duration of the answered attempt */
  readonly milliseconds: number;
  readonly tries: number;
}

/** The server refused the request; repeating it would not help. */
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

type StartRequest = RequestOf<'startExecutedObsUnit'>['body'];
type Write = 'startExecutedObsUnit' | 'finishExecutedObsUnit';

export class ObservatoryClient {
  readonly #url: string;
  readonly #patienceMilliseconds: number;
  readonly #http: HttpClient;

  constructor({ patienceMilliseconds = 60_000, ...settings }: ClientSettings) {
    this.#url = settings.url;
    this.#patienceMilliseconds = patienceMilliseconds;
    this.#http = new HttpClient(settings);
  }

  /** `POST /executed_obs_units/start` @throws Refused */
  start(body: StartRequest, key: string, signal?: AbortSignal): Promise<Answer> {
    return this.#write('startExecutedObsUnit', { body, key, signal });
  }

  /** `PUT /executed_obs_units/{id}/finish` @throws Refused */
  finish(id: string, body: object, key: string, signal?: AbortSignal): Promise<Answer> {
    return this.#write('finishExecutedObsUnit', { params: { id }, body, key, signal });
  }

  /**
   * `GET /api/transactions/{id}`
   * @returns undefined if the transaction is unknown or cannot be read now, so that recording is not delayed
   */
  async findTransaction(id: string): Promise<{ state: string; record_ids: readonly string[] } | undefined> {
    const givesUpAt = Date.now() + this.#patienceMilliseconds;
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#http.call('readTransaction', { params: { id } }).catch(() => undefined);
      if (answer?.isProblem === false) return answer.body;
      if (answer?.status !== 429 || Date.now() > givesUpAt) return undefined;
      await pauseAfter(tries);
    }
  }

  /** Repeats the write with its key until it is answered, since an unanswered one may have been recorded. */
  async #write<Name extends Write>(name: Name, request: RequestOf<Name>): Promise<Answer> {
    const givesUpAt = Date.now() + this.#patienceMilliseconds;
    for (let tries = 1; ; tries += 1) {
      const began = performance.now();
      const answered = await this.#http.call<Write>(name, request).catch(() => undefined);
      const answer = answered && {
        status: answered.status,
        body: answered.body,
        replayed: answered.headers.get('idempotency-replayed') === 'true',
        milliseconds: performance.now() - began,
        tries,
      };
      if (answer !== undefined && answer.status < 300) return answer;
      const isFinal = answer !== undefined && answer.status < 500 && answer.status !== 429;
      if (isFinal) throw new Refused(answer);
      if (Date.now() > givesUpAt || request.signal?.aborted) {
        throw answer ? new Refused(answer) : new Error(`${this.#url} does not answer`);
      }
      await pauseAfter(tries);
    }
  }
}

function pauseAfter(tries: number): Promise<void> {
  const ceiling = Math.min(longestPauseMilliseconds, firstPauseMilliseconds * 2 ** tries);
  return new Promise((resume) => setTimeout(resume, Math.random() * ceiling));
}

/** A key derived from its parts: running a script again repeats the same writes, which has no further effect. */
export function stableKey(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}
