/** Open-loop load: requests are sent on schedule, whether or not earlier ones have been answered. */
import { Agent, request } from 'node:http';

export interface Answered {
  readonly milliseconds: number;
  readonly status: number;
  readonly body: string;
}

export interface LoadRequest {
  readonly method: string;
  readonly path: string;
  readonly token: string;
  readonly body?: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

/** Sends a request. Its time counts from `dueAt`, so that a delayed send counts too. */
export function send(origin: string, { method, path, token, body }: LoadRequest, dueAt = performance.now()) {
  return new Promise<Answered>((resolve, reject) => {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
    const outgoing = request(origin + path, { method, agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () =>
        resolve({ milliseconds: performance.now() - dueAt, status: response.statusCode ?? 0, body: text }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** @param perSecond requests per second, evenly spaced */
export async function openLoop(
  origin: string,
  make: (index: number) => LoadRequest,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<Answered[]> {
  const count = perSecond * seconds;
  const began = performance.now();
  const answers: Promise<Answered>[] = [];
  while (answers.length < count) {
    const dueAt = began + (answers.length * 1000) / perSecond;
    const wait = dueAt - performance.now();
    if (wait > 1) await new Promise((resume) => setTimeout(resume, wait - 0.5));
    answers.push(send(origin, make(answers.length), dueAt));
  }
  return Promise.all(answers);
}
