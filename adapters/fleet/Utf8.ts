/** Where bytes can be cut without tearing a character. */

/** How many of the bytes come before a character of which only the beginning is there; all of them if there is none such. */
export const wholeLength = (bytes: Uint8Array): number => {
  // A character has four bytes at most: only the last three can begin one that isn't complete.
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return bytes.length
    if (byte >= 0xc0) return lengthFrom(byte) > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

/** Bytes of the character that begins with this byte; 1 for a byte that begins none. */
const lengthFrom = (byte: number): number => {
  if (byte >= 0xc2 && byte < 0xe0) return 2
  if (byte >= 0xe0 && byte < 0xf0) return 3
  return byte >= 0xf0 && byte < 0xf5 ? 4 : 1
}
