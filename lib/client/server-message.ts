/** Messages as they come over the WebSocket. */
export interface ServerMessage {
  readonly type: 'snapshot' | 'update' | 'resumed' | 'unsubscribed' | 'pong' | 'error';
  readonly channel?: string;
  /** that it answers; the first release does not send it */
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

/** The server writes `data` last, and no member before it can contain its name. */
export function jsonOf(text: string): string {
  const name = '"data":';
  return text.slice(text.indexOf(name) + name.length, -1);
}
