import type { Access } from './operation.ts';

/** A request as it came. Its parameters, query and body reach a step parsed. */
export interface Request {
  readonly route: { readonly operation: string; readonly access: Access };
  /** as the client wrote it, without the query */
  readonly path: string;
  /** as they were sent */
  readonly given: Given;
  /** names in lower case */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly cookies: readonly string[];
  readonly requestId: string;
  readonly sourceIp: string;
  /** when the function got it, epoch ms */
  readonly receivedAt: number;
  /** headers that the answer will have, whatever becomes of the request */
  readonly replyHeaders: Map<string, string>;
}

export interface Given {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** JSON, undefined without a body, or if the operation takes none */
  readonly body: unknown;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** instead of a body: sent as it is, with a Content-Type of its own */
  readonly text?: string;
  /** instead of both */
  readonly bytes?: Uint8Array;
  readonly cookies?: readonly string[];
}
