/** Positions in the write-ahead log: `16/B374D848` as text, and a 64-bit number for comparison, since texts do not sort correctly. */
export interface Lsn {
  readonly text: string;
  readonly value: bigint;
}

/** @throws Error if the text is not an LSN */
export function readLsn(text: string): Lsn {
  const [, high, low] = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text) ?? [];
  if (high === undefined || low === undefined) throw new Error(`not an LSN: ${text}`);
  return { text, value: (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`) };
}

export function writeLsn(value: bigint): string {
  return `${(value >> 32n).toString(16)}/${(value & 0xffffffffn).toString(16)}`.toUpperCase();
}
