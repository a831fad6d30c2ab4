/**
 * Recursive-loop detection: each event carries how often every function ran in the chain that led to it, in the `Lineage` part of
 * `X-Amzn-Trace-Id`. The AWS SDK passes the header on from the environment of an invocation.
 */
import { createHash, randomBytes } from 'node:crypto';
import { limits } from '../../limits.ts';

type Counts = ReadonlyMap<string, number>;

/** How often `functionName` ran in the chain that led to an event with this header. */
export function invocationsIn(trace: string | undefined, functionName: string): number {
  return countsIn(trace).get(idOf(functionName)) ?? 0;
}

/**
 * Whether Lambda refuses one more invocation of `functionName` in this chain.
 * @param longestChain Infinity: the function may cause its own invocation
 */
export function isLoop(
  trace: string | undefined,
  functionName: string,
  longestChain: number = limits.invocationsInChain.value,
): boolean {
  return invocationsIn(trace, functionName) >= longestChain;
}

/** The header of an invocation of `functionName` for an event that came with `trace`. @param root of a new chain */
export function advance(trace: string | undefined, functionName: string, root = newRoot()): string {
  const counts = new Map(countsIn(trace));
  const id = idOf(functionName);
  counts.set(id, (counts.get(id) ?? 0) + 1);
  const lineage = [...counts].map(([each, count]) => `${each}:${count}`).join('|');
  return `Root=${partOf(trace, 'Root') ?? root};Sampled=0;Lineage=${lineage}`;
}

/** Of several events that come together, the header of the longest chain. */
export function longest(traces: readonly (string | undefined)[], functionName: string): string | undefined {
  return [...traces].sort((a, b) => invocationsIn(b, functionName) - invocationsIn(a, functionName))[0];
}

function countsIn(trace: string | undefined): Counts {
  const entries = (partOf(trace, 'Lineage') ?? '').split('|').flatMap((each) => {
    const [, id, count] = /^([0-9a-f]+):(\d+)$/.exec(each) ?? [];
    return id === undefined ? [] : [[id, Number(count)] as const];
  });
  return new Map(entries);
}

function partOf(trace: string | undefined, name: string): string | undefined {
  const part = trace?.split(';').find((each) => each.startsWith(`${name}=`));
  return part?.slice(name.length + 1);
}

function idOf(functionName: string): string {
  return createHash('sha256').update(functionName).digest('hex').slice(0, 8);
}

function newRoot(): string {
  return `1-${Math.floor(Date.now() / 1000).toString(16)}-${randomBytes(12).toString('hex')}`;
}
