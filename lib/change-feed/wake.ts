/** Pub/sub over server-sent events. It only wakes: a stream that drops loses messages, and raises no event by itself. */
export interface Wakes {
  /** resolves at the next publication since the last call, or after the time; @returns whether there was one */
  readonly next: (milliseconds: number) => Promise<boolean>;
  /** as a publication does */
  readonly wake: () => void;
  readonly stop: () => void;
}

/** A stream older than this is opened anew: it may have died without a word. */
const renewMilliseconds = 240_000;
const pauseMilliseconds = 500;

export function listen(
  redis: { readonly url: string; readonly token: string },
  channels: readonly string[],
): Wakes {
  const stopping = new AbortController();
  let woken = false;
  let resume: (() => void) | undefined;
  const wake = () => {
    woken = true;
    resume?.();
  };
  for (const channel of channels) void follow(redis, channel, wake, stopping.signal);
  return {
    next: async (milliseconds) => {
      if (!woken) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, milliseconds);
          resume = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      const was = woken;
      woken = false;
      resume = undefined;
      return was;
    },
    wake,
    stop: () => stopping.abort(),
  };
}

async function follow(
  { url, token }: { readonly url: string; readonly token: string },
  channel: string,
  wake: () => void,
  stopping: AbortSignal,
): Promise<void> {
  while (!stopping.aborted) {
    try {
      const signal = AbortSignal.any([stopping, AbortSignal.timeout(renewMilliseconds)]);
      const response = await fetch(`${url}/subscribe/${channel}`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, Accept: 'text/event-stream' },
        signal,
      });
      for await (const _chunk of response.body ?? []) wake();
    } catch {
      // opened again below; what was published meanwhile stands in the stream
    }
    wake();
    await new Promise((resolve) => setTimeout(resolve, stopping.aborted ? 0 : pauseMilliseconds));
  }
}
