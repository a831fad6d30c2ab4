import { createHash } from 'node:crypto';

/**
 * A UUIDv7 (RFC 9562): it begins with the time, so that new rows are adjacent in an index.
 * @param random at least 10 random bytes
 */
export function uuidV7(nowMilliseconds: number, random: Uint8Array): string {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(nowMilliseconds) << 16n);
  bytes.set(random.subarray(0, 10), 6);
  return withVersion(bytes, 7);
}

/** A UUIDv8 derived from its parts: it can be computed again instead of being stored. */
export function derivedUuid(...parts: readonly string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest();
  return withVersion(new Uint8Array(digest.subarray(0, 16)), 8);
}

function withVersion(bytes: Uint8Array, version: number): string {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | (version << 4);
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
