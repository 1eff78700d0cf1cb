let tables: Int32Array[] | undefined;

/** Table k gives a byte's effect k bytes further on, so that 8 bytes are folded in at once. */
function slices(): Int32Array[] {
  if (tables) return tables;
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let c = byte;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    first[byte] = c;
  }
  tables = [first];
  for (let k = 1; k < 8; k++) {
    const before = tables[k - 1];
    tables.push(before.map((c) => (c >>> 8) ^ first[c & 255]));
  }
  return tables;
}

/** CRC-32 of `bytes` as zip files have it (polynomial 0xedb88320, reflected), 0 to 2^32 - 1. */
export function crc32(bytes: Uint8Array): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = slices();
  let c = -1;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    c ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    c =
      t7[c & 255] ^
      t6[(c >>> 8) & 255] ^
      t5[(c >>> 16) & 255] ^
      t4[c >>> 24] ^
      t3[bytes[i + 4]] ^
      t2[bytes[i + 5]] ^
      t1[bytes[i + 6]] ^
      t0[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ t0[(c ^ bytes[i]) & 255];
  return ~c >>> 0;
}
