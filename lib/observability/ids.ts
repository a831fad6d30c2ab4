import { AsyncLocalStorage } from 'node:async_hooks';

/** What an invocation is about; in each line that it logs. */
export interface InvocationIds {
  /** of HTTP and sockets, API Gateway's, which clients see in problems; else Lambda's */
  readonly request_id: string;
  readonly message_ids?: readonly string[];
  readonly connection_id?: string;
}

const storage = new AsyncLocalStorage<InvocationIds>();

/** Does the work of one invocation: every line that is logged meanwhile names its ids, without handing them on. */
export function withIds<T>(ids: InvocationIds, work: () => T): T {
  return storage.run(ids, work);
}

export function currentIds(): InvocationIds | undefined {
  return storage.getStore();
}
