/** The frames of a WebSocket (RFC 6455, 5.2), of which only the headers are looked at. */

/** Reads a stream of bytes chunk by chunk, and tells how many bytes each frame carries, as soon as its header is there. */
export class FrameLengths {
  /** bytes of a header that is not complete */
  #header: number[] = [];
  /** bytes of the current frame that are still to come */
  #left = 0;

  /** @returns the payload length of each frame whose header ends in this chunk */
  push(chunk: Uint8Array): number[] {
    const lengths: number[] = [];
    for (let at = 0; at < chunk.length;) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, chunk.length - at);
        this.#left -= passed;
        at += passed;
        continue;
      }
      this.#header.push(chunk[at] ?? 0);
      at += 1;
      const length = lengthIn(this.#header);
      if (length === undefined) continue;
      lengths.push(length);
      this.#header = [];
      this.#left = length;
    }
    return lengths;
  }
}

/** @returns undefined while the header is not complete */
function lengthIn(header: readonly number[]): number | undefined {
  const [, second] = header;
  if (second === undefined) return undefined;
  const short = second & 0x7f;
  const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
  const mask = second & 0x80 ? 4 : 0;
  if (header.length < 2 + extended + mask) return undefined;
  return extended === 0 ? short : header.slice(2, 2 + extended).reduce((sum, byte) => sum * 256 + byte, 0);
}
