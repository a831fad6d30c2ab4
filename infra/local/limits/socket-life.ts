import { limits } from '../../limits.ts';

/** Whether API Gateway ends a connection. All times in epoch milliseconds. */
export function isOver(
  { connectedAt, lastActiveAt }: { readonly connectedAt: number; readonly lastActiveAt: number },
  now: number,
): boolean {
  return (
    now - lastActiveAt > limits.webSocketIdleSeconds.value * 1000 ||
    now - connectedAt > limits.webSocketLifeSeconds.value * 1000
  );
}
