/** A question to GitHub's API. What it says is as foreign as what a client says: bounded, parsed, never followed. */
import * as z from 'zod/mini';

const maxAnswerBytes = 1024 * 1024;

/** GitHub did not answer as it should: it may in a moment. */
export class GitHubUnavailable extends Error {
  override readonly name = 'GitHubUnavailable';
}

/** @returns undefined for what is not there or not ours to see */
export async function askApi<S extends z.ZodMiniType>(
  apiUrl: string,
  asked: {
    readonly accessToken: string;
    readonly path: string;
    readonly schema: S;
    readonly deadline: AbortSignal;
  },
): Promise<z.infer<S> | undefined> {
  const { accessToken, path, schema, deadline } = asked;
  let response: Response;
  let text: string;
  try {
    response = await fetch(new URL(path, apiUrl), {
      headers: {
        Authorization: `Bearer ${accessToken}`,
        Accept: 'application/vnd.github+json',
        'X-GitHub-Api-Version': '2022-11-28',
        'User-Agent': 'ops-db-serverless',
      },
      redirect: 'error',
      signal: deadline,
    });
    text = await boundedText(response);
  } catch {
    throw new GitHubUnavailable(`no answer to ${path}`);
  }
  const { status } = response;
  // GitHub says by 403 too that it was asked too often
  const isBusy = response.headers.has('retry-after') || response.headers.get('x-ratelimit-remaining') === '0';
  if (!isBusy && (status === 401 || status === 403 || status === 404)) return undefined;
  try {
    if (status === 200) return schema.parse(JSON.parse(text));
  } catch {
    // told below
  }
  throw new GitHubUnavailable(`no good answer to ${path}: ${status}`);
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    const bytes = z.instanceof(Uint8Array).parse(chunk);
    size += bytes.length;
    if (size > maxAnswerBytes) throw new Error('too large');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
