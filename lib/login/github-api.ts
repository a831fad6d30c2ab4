/** Requests to GitHub's API. Its answers are untrusted: they are limited in size, parsed, and redirects are not followed. */
import * as z from 'zod/mini';

const maxAnswerBytes = 1024 * 1024;

/** GitHub did not answer, or failed; the request may be repeated. */
export class GitHubUnavailable extends Error {
  override readonly name = 'GitHubUnavailable';
}

/** @returns undefined if the resource does not exist or is not visible to the user @throws GitHubUnavailable */
export async function getFromApi<S extends z.ZodMiniType>(
  apiUrl: string,
  request: {
    readonly accessToken: string;
    readonly path: string;
    readonly schema: S;
    readonly deadline: AbortSignal;
  },
): Promise<z.infer<S> | undefined> {
  const { accessToken, path, schema, deadline } = request;
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
  // GitHub also uses 403 for exceeded rate limits
  const isRateLimited =
    response.headers.has('retry-after') || response.headers.get('x-ratelimit-remaining') === '0';
  if (!isRateLimited && (status === 401 || status === 403 || status === 404)) return undefined;
  try {
    if (status === 200) return schema.parse(JSON.parse(text));
  } catch {
    // reported below
  }
  throw new GitHubUnavailable(`unexpected answer to ${path}: ${status}`);
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
