/** Positions in the write-ahead log: `16/B374D848` as text, a 64-bit number to compare. Text does not compare. */
export interface Lsn {
  readonly text: string;
  readonly value: bigint;
}

/** @throws Error if the text is no LSN */
export function readLsn(text: string): Lsn {
  const [, high, low] = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text) ?? [];
  if (high === undefined || low === undefined) throw new Error(`no LSN: ${text}`);
  return { text, value: (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`) };
}

export function writeLsn(value: bigint): string {
  return `${(value >> 32n).toString(16)}/${(value & 0xffffffffn).toString(16)}`.toUpperCase();
}
