/** What the Lambda service refuses before, or instead of, an invocation. */
import { limits } from '../../limits.ts';

export type Refusal =
  'TooManyRequestsException' | 'RequestTooLargeException' | 'RecursiveInvocationException';

const statusOf = {
  TooManyRequestsException: 429,
  RequestTooLargeException: 413,
  RecursiveInvocationException: 400,
} as const satisfies Record<Refusal, number>;

/** The service has not run the function. */
export class Refused extends Error {
  override readonly name: Refusal;
  readonly status: number;

  constructor(refusal: Refusal, message: string) {
    super(message);
    this.name = refusal;
    this.status = statusOf[refusal];
  }
}

/** The function ran, and threw, ended, took longer than its time-out or answered too much. */
export class FunctionError extends Error {
  override readonly name = 'FunctionError';
}

export function isRefused(error: unknown, refusal: Refusal): boolean {
  return error instanceof Refused && error.name === refusal;
}

/**
 * Most invocations at once.
 * @param reserved undefined: the function shares what others have not reserved
 * @param reservedByAll of the account
 */
export function concurrencyOf(reserved: number | undefined, reservedByAll: number): number {
  return reserved ?? limits.accountConcurrency.value - reservedByAll;
}

export function isTooLarge(payload: unknown, atMost: number = limits.invocationBytes.value): boolean {
  return Buffer.byteLength(JSON.stringify(payload ?? null)) > atMost;
}

/**
 * How many of these messages, from the first, one invocation takes.
 * @param sizes bytes of each as it stands in the event
 */
export function messagesInEvent(sizes: readonly number[]): number {
  const envelope = '{"Records":[]}'.length;
  let bytes = envelope;
  const first = sizes.findIndex((size) => (bytes += size + 1) > limits.invocationBytes.value);
  return first === -1 ? sizes.length : Math.max(1, first);
}
