/** What a WebSocket can subscribe to. A channel's name says all: `executed_obs_units?obs_unit_id=7`. */
import type { Permission } from '../people/permissions.ts';
import { largestInteger } from '../values/integer.ts';
import type { StreamName } from '../change-feed/streams.ts';

export type Channel =
  | { readonly kind: 'transfer' | 'buffer'; readonly name: string }
  | { readonly kind: 'units'; readonly name: string; readonly obsUnitId?: number }
  | { readonly kind: 'transaction'; readonly name: string; readonly id: string };

/** Sends every change of its records; the others send their whole state. */
export type EventChannel = Extract<Channel, { kind: 'units' | 'transaction' }>;

const unitsName = /^executed_obs_units(?:\?obs_unit_id=([1-9]\d{0,9}))?$/;
const transactionName = /^transactions\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** @returns undefined if there is no such channel */
export function readChannel(name: string): Channel | undefined {
  if (name === 'transfer.overview') return { kind: 'transfer', name };
  if (name === 'buffer') return { kind: 'buffer', name };
  const units = unitsName.exec(name);
  if (units) {
    const obsUnitId = units[1] === undefined ? undefined : Number(units[1]);
    if (obsUnitId === undefined) return { kind: 'units', name };
    return obsUnitId > largestInteger ? undefined : { kind: 'units', name, obsUnitId };
  }
  const [, id] = transactionName.exec(name) ?? [];
  return id === undefined ? undefined : { kind: 'transaction', name, id };
}

export function permissionOf({ kind }: Channel): Permission {
  return kind === 'transfer' ? 'read:transfers' : 'read:observations';
}

/** A state channel sends its whole state, a burst folded into the last one. */
export function isState(channel: Channel): boolean {
  return !isEvent(channel);
}

export function isEvent(channel: Channel): channel is EventChannel {
  return channel.kind === 'units' || channel.kind === 'transaction';
}

/** The stream whose positions the channel has. */
export function streamOf({ kind }: Channel): StreamName {
  return kind === 'transfer' ? 'transfer' : kind === 'buffer' ? 'buffer' : 'observations';
}
