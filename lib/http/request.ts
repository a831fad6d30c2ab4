import type { Access } from './operation.ts';

/** A request as it was received. A step gets its parameters, query and body parsed. */
export interface Request {
  readonly route: { readonly operation: string; readonly access: Access };
  /** as sent, without the query */
  readonly path: string;
  /** as sent */
  readonly given: Given;
  /** names in lower case */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly cookies: readonly string[];
  readonly requestId: string;
  readonly sourceIp: string;
  /** epoch ms */
  readonly receivedAt: number;
  /** headers of the answer, also if the request fails */
  readonly replyHeaders: Map<string, string>;
}

export interface Given {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** JSON; undefined if there is no body or the operation takes none */
  readonly body: unknown;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** replaces `body`: sent unchanged, with its own Content-Type */
  readonly text?: string;
  /** replaces `body` and `text` */
  readonly bytes?: Uint8Array;
  readonly cookies?: readonly string[];
}
