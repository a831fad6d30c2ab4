/** Messages from the server. */
export interface ServerMessage {
  readonly type: 'snapshot' | 'update' | 'resumed' | 'unsubscribed' | 'pong' | 'error';
  readonly channel?: string;
  /** number of the answered request; the first release does not send it */
  readonly request?: number;
  readonly epoch: string;
  readonly position: string;
  readonly fence: number;
  readonly part?: number;
  readonly parts?: number;
  readonly gap?: boolean;
  readonly unseen?: string;
  readonly change?: string;
  readonly record?: string;
  readonly data: unknown;
  readonly code?: string;
  readonly detail?: string;
}

/** The text of `data`, which is the last member; no member before it can contain its name. */
export function jsonOf(text: string): string {
  const name = '"data":';
  return text.slice(text.indexOf(name) + name.length, -1);
}
