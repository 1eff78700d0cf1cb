/**
 * PNG decoding in Node: all fifteen kinds of pixel, interlaced or not. Inflation is bounded by the size
 * that the header promises, which a decoder that inflates first cannot do.
 */
import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { damaged, pngChunks, truncated } from './format.js';

interface PngInfo {
  width: number;
  height: number;
  /** Bits a sample. */
  depth: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA. */
  colourType: number;
  interlaced: boolean;
  /** RGB triples. */
  palette: Uint8Array;
  /** Alphas of the palette, or the 16-bit samples of the one transparent colour. */
  transparency: Uint8Array;
}

const SAMPLES: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const DEPTHS: Record<number, number[]> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};

/** Passes of a picture: [first column, first row, column step, row step]. */
const WHOLE = [[0, 0, 1, 1]] as const;
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/**
 * The pixels of a PNG as RGBA [height, width, 4], straight alpha. Of 16-bit samples the high byte is
 * kept, as Pillow does for RGB. Colour profiles are not applied. Throws `ImageError` for a truncated or
 * damaged file.
 */
export async function decodePng(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  const { info, compressed } = readChunks(bytes, name);
  const { width, height, depth, colourType } = info;
  const bits = depth * SAMPLES[colourType];
  const passes = (info.interlaced ? ADAM7 : WHOLE)
    .map(([x, y, stepX, stepY]) => ({
      x,
      y,
      stepX,
      stepY,
      columns: Math.ceil((width - x) / stepX),
      rows: Math.ceil((height - y) / stepY),
    }))
    .filter(({ columns, rows }) => columns > 0 && rows > 0);
  const rowBytes = (columns: number) => Math.ceil((columns * bits) / 8);
  const expected = passes.reduce((sum, p) => sum + p.rows * (1 + rowBytes(p.columns)), 0);

  const data = await inflated(compressed, expected, name);
  const rgba = new Uint8Array(4 * width * height);
  const paint = painter(info, rgba, name);
  let offset = 0;
  for (const { x, y, stepX, stepY, columns, rows } of passes) {
    const length = rowBytes(columns);
    let above: Uint8Array = new Uint8Array(length);
    for (let r = 0; r < rows; r++) {
      const row = data.subarray(offset + 1, offset + 1 + length);
      unfilter(data[offset], row, above, Math.ceil(bits / 8), name);
      paint(row, columns, (y + r * stepY) * width + x, stepX);
      above = row;
      offset += 1 + length;
    }
  }
  return rgba;
}

function readChunks(bytes: Uint8Array, name: string): { info: PngInfo; compressed: Uint8Array } {
  let info: PngInfo | undefined;
  const parts: Uint8Array[] = [];
  for (const { type, data, offset } of pngChunks(bytes, name)) {
    // The image data carries a checksum of its own; what else decides pixels is checked here.
    if (['IHDR', 'PLTE', 'tRNS'].includes(type)) {
      const end = offset + 4 + data.length;
      const stored = new DataView(bytes.buffer, bytes.byteOffset + end, 4).getUint32(0);
      if (crc32(bytes.subarray(offset, end)) !== stored) {
        throw damaged(name, `checksum of PNG chunk ${type}`);
      }
    }
    if (type === 'IHDR') info ??= readHeader(data, name);
    else if (type === 'PLTE' && info) info.palette = data;
    else if (type === 'tRNS' && info) info.transparency = data;
    else if (type === 'IDAT') parts.push(data);
    else if (type[0] < 'a' && type !== 'IEND' && type !== 'PLTE') {
      throw damaged(name, `unknown critical PNG chunk ${type}`);
    }
  }
  if (!info || parts.length === 0) throw damaged(name, 'the PNG has no image data');
  if (info.colourType === 3 && info.palette.length < 3)
    throw damaged(name, 'the PNG has no palette');
  return { info, compressed: Buffer.concat(parts) };
}

function readHeader(data: Uint8Array, name: string): PngInfo {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [depth, colourType, compression, filter, interlace] = data.subarray(8, 13);
  const isKnown = compression === 0 && filter === 0 && interlace <= 1;
  if (!DEPTHS[colourType]?.includes(depth) || !isKnown) {
    throw damaged(
      name,
      `PNG header: no such kind of pixel (${[...data.subarray(8, 13)].join(' ')})`,
    );
  }
  return {
    width: view.getUint32(0),
    height: view.getUint32(4),
    depth,
    colourType,
    interlaced: interlace === 1,
    palette: new Uint8Array(0),
    transparency: new Uint8Array(0),
  };
}

async function inflated(
  compressed: Uint8Array,
  expected: number,
  name: string,
): Promise<Uint8Array> {
  let data: Uint8Array;
  try {
    data = await promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflate)(compressed, {
      maxOutputLength: expected,
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'Z_BUF_ERROR') throw truncated(name, 'the PNG image data stops early');
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw damaged(name, `the PNG inflates past the ${expected} bytes of its size`);
    }
    throw damaged(name, `the PNG does not inflate (${message})`);
  }
  if (data.length < expected) {
    throw truncated(name, `the PNG holds ${data.length} of ${expected} bytes of pixels`);
  }
  return data;
}

/** Undoes one row's filter in place. `step` is the distance to the left neighbour's byte. */
function unfilter(
  filter: number,
  row: Uint8Array,
  above: Uint8Array,
  step: number,
  name: string,
): void {
  const n = row.length;
  switch (filter) {
    case 0:
      return;
    case 1:
      for (let i = step; i < n; i++) row[i] += row[i - step];
      return;
    case 2:
      for (let i = 0; i < n; i++) row[i] += above[i];
      return;
    case 3:
      for (let i = 0; i < n; i++) row[i] += ((i < step ? 0 : row[i - step]) + above[i]) >> 1;
      return;
    case 4:
      for (let i = 0; i < n; i++) {
        const a = i < step ? 0 : row[i - step];
        const b = above[i];
        const c = i < step ? 0 : above[i - step];
        const [da, db, dc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
        row[i] += da <= db && da <= dc ? a : db <= dc ? b : c;
      }
      return;
    default:
      throw damaged(name, `PNG row filter ${filter} should be 0 to 4`);
  }
}

/** What writes a row of packed samples into `rgba`, `step` pixels apart, from pixel `start` on. */
function painter(
  { depth, colourType, palette, transparency }: PngInfo,
  rgba: Uint8Array,
  name: string,
): (row: Uint8Array, columns: number, start: number, step: number) => void {
  const wide = depth === 16 ? 2 : 1;
  const samples = SAMPLES[colourType];
  /** Sample `k` of the row at its full depth. */
  const sample = (row: Uint8Array, k: number): number => {
    if (depth === 8) return row[k];
    if (depth === 16) return (row[2 * k] << 8) | row[2 * k + 1];
    const bit = k * depth;
    return (row[bit >> 3] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
  };

  if (colourType === 3) {
    return (row, columns, start, step) => {
      for (let x = 0; x < columns; x++) {
        const index = sample(row, x);
        const to = 4 * (start + x * step);
        if (3 * index + 3 > palette.length) {
          throw damaged(name, `palette index ${index} of ${palette.length / 3} colours`);
        }
        for (let c = 0; c < 3; c++) rgba[to + c] = palette[3 * index + c];
        rgba[to + 3] = index < transparency.length ? transparency[index] : 255;
      }
    };
  }

  const isGrey = samples < 3;
  const colours = isGrey ? 1 : 3;
  const hasAlpha = samples > colours;
  const hasKey = !hasAlpha && transparency.length >= 2 * colours;
  const key = Array.from(
    { length: colours },
    (_, c) => (transparency[2 * c] << 8) | transparency[2 * c + 1],
  );
  const spread = depth < 8 ? 255 / (2 ** depth - 1) : 1;
  return (row, columns, start, step) => {
    for (let x = 0; x < columns; x++) {
      const to = 4 * (start + x * step);
      const from = x * samples;
      // Bytes that matter are the first of each sample: the only one, or the high one of 16 bits.
      for (let c = 0; c < 3; c++) {
        const k = isGrey ? from : from + c;
        rgba[to + c] = depth < 8 ? sample(row, k) * spread : row[k * wide];
      }
      let alpha = hasAlpha ? row[(from + colours) * wide] : 255;
      if (hasKey && key.every((value, c) => value === sample(row, from + c))) alpha = 0;
      rgba[to + 3] = alpha;
    }
  };
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) c = CRC_TABLE[(c ^ byte) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
