/**
 * API tokens: `ops_<user id>_<secret><checksum>`. The user id stands in clear, so that every key is known before Redis is
 * asked; the checksum tells a typing error from a wrong token without a look-up; at rest there is only the SHA-256.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 30 × log2(62) = 178.6 bits */
const secretLength = 30;
const checksumLength = 6;
const pattern = new RegExp(`^ops_(\\d{1,15})_[0-9A-Za-z]{${secretLength + checksumLength}}$`);

export interface ApiTokenClaim {
  readonly principalId: string;
  /** SHA-256 of the token, hex */
  readonly hash: string;
}

/**
 * @param random uniformly random bytes, at least 64: those that would favour some characters are passed over
 * @throws Error if too few random bytes are given
 */
export function mintApiToken(principalId: string, random: Uint8Array): { token: string; hash: string } {
  const fair = [...random].filter((byte) => byte < 248).slice(0, secretLength);
  if (fair.length < secretLength) throw new Error('too few random bytes for an API token');
  const unsigned = `ops_${principalId}_${fair.map((byte) => alphabet[byte % 62] ?? '').join('')}`;
  const token = unsigned + checksumOf(unsigned);
  return { token, hash: hashToken(token) };
}

/** What the token claims, or undefined if it is no token: mistyped or cut off. */
export function readApiToken(token: string): ApiTokenClaim | undefined {
  const [, principalId] = pattern.exec(token) ?? [];
  if (principalId === undefined) return undefined;
  if (checksumOf(token.slice(0, -checksumLength)) !== token.slice(-checksumLength)) return undefined;
  return { principalId, hash: hashToken(token) };
}

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function checksumOf(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let i = 0; i < checksumLength; i += 1) {
    digits = (alphabet[rest % 62] ?? '') + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
