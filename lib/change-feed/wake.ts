/** Pub/sub over server-sent events. Used only for wake-ups, because a broken connection loses messages unnoticed. */
export interface Wakes {
  /** resolves at the first publication since the last call, or after the time; @returns whether there was one */
  readonly next: (milliseconds: number) => Promise<boolean>;
  /** has the effect of a publication */
  readonly wake: () => void;
  readonly stop: () => void;
}

/** A connection older than this is replaced, since it may be broken. */
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
      // reconnect below; entries published meanwhile are in the stream
    }
    wake();
    await new Promise((resolve) => setTimeout(resolve, stopping.aborted ? 0 : pauseMilliseconds));
  }
}
