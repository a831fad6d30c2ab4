import { AsyncLocalStorage } from 'node:async_hooks';

/** Ids of an invocation, added to each log line. */
export interface InvocationIds {
  /** API Gateway's id for HTTP and sockets, which clients see in problems; else Lambda's */
  readonly request_id: string;
  readonly message_ids?: readonly string[];
  readonly connection_id?: string;
}

const storage = new AsyncLocalStorage<InvocationIds>();

/** Runs the work of an invocation. Lines logged meanwhile contain the ids without passing them on. */
export function withIds<T>(ids: InvocationIds, work: () => T): T {
  return storage.run(ids, work);
}

export function currentIds(): InvocationIds | undefined {
  return storage.getStore();
}
