/**
 * API tokens: `ops_<user id>_<secret><checksum>`. The user id is readable, so that all Redis keys are known in advance. The checksum
 * detects typing errors without a look-up. Only the SHA-256 of a token is stored.
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
 * @param random uniformly random bytes, at least 64: bytes that would bias the choice of characters are skipped
 * @throws Error if there are too few random bytes
 */
export function mintApiToken(principalId: string, random: Uint8Array): { token: string; hash: string } {
  const fair = [...random].filter((byte) => byte < 248).slice(0, secretLength);
  if (fair.length < secretLength) throw new Error('too few random bytes for an API token');
  const unsigned = `ops_${principalId}_${fair.map((byte) => alphabet[byte % 62] ?? '').join('')}`;
  const token = unsigned + checksumOf(unsigned);
  return { token, hash: hashToken(token) };
}

/** @returns undefined if the text is not a token, for example mistyped or truncated */
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
