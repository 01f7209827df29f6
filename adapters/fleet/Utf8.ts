/** Splits UTF-8 between characters. */

/** Returns the number of bytes before an incomplete character at the end; all bytes if there is none. */
export const wholeLength = (bytes: Uint8Array): number => {
  // A character has at most four bytes: an incomplete one starts in the last three bytes.
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return bytes.length
    if (byte >= 0xc0) return lengthFrom(byte) > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

/** Returns the length of the character that starts with this byte; 1 for an invalid first byte. */
const lengthFrom = (byte: number): number => {
  if (byte >= 0xc2 && byte < 0xe0) return 2
  if (byte >= 0xe0 && byte < 0xf0) return 3
  return byte >= 0xf0 && byte < 0xf5 ? 4 : 1
}
