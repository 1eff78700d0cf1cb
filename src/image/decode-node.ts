/**
 * Image files to pixels in Node. A browser decodes with `createImageBitmap` instead.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { ImageError } from '../errors.js';
import { orient } from './exif.js';
import { damaged, readImageHeader, truncated } from './format.js';
import { decodePng } from './png-node.js';

/** A decoded image: straight (not premultiplied) alpha, sRGB, [height, width, 4]. */
export interface DecodedImage {
  width: number;
  height: number;
  rgba: Uint8Array;
}

/** Limits of `decodeImage`. */
export interface DecodeOptions {
  /** Images of more million pixels are refused before anything is decoded; 100 by default. */
  maxMegapixels?: number;
}

/**
 * Decodes a PNG, JPEG or WebP file, recognised by its content, and turns it upright by its EXIF
 * orientation. Pixels are those Pillow gives. `name` is what error messages call the file.
 * Throws `ImageError`, one line, for another format, a truncated or damaged file, CMYK, an animation, or
 * too many pixels.
 */
export async function decodeImage(
  bytes: Uint8Array,
  name: string,
  { maxMegapixels = 100 }: DecodeOptions = {},
): Promise<DecodedImage> {
  const { format, width, height, orientation } = readImageHeader(bytes, name);
  if (width === 0 || height === 0) throw damaged(name, `its size is ${width} x ${height}`);
  if (width * height > maxMegapixels * 1e6) {
    const size = ((width * height) / 1e6).toFixed(1);
    throw new ImageError(
      `${name}: ${width} x ${height} is ${size} megapixels, the limit is ${maxMegapixels}; make it smaller`,
    );
  }
  const rgba = await DECODERS[format](bytes, name, width, height);
  return orient({ width, height, rgba }, orientation);
}

const DECODERS = {
  png: decodePng,
  jpeg: async (bytes: Uint8Array, name: string, width: number, height: number) => {
    const { default: decode, init } = await import('@jsquash/jpeg/decode.js');
    const wasm = await compiled('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
    const { rgba, said } = await runCodec(bytes, name, width, height, wasm, init, decode);
    // libjpeg fills what it cannot read with grey and goes on. Its other warnings leave pixels alone.
    const loss = said.find((line) => /premature|bad huffman|found marker/i.test(line));
    if (loss && /premature/i.test(loss)) throw truncated(name, loss);
    if (loss) throw damaged(name, loss);
    return rgba;
  },
  webp: async (bytes: Uint8Array, name: string, width: number, height: number) => {
    const { default: decode, init } = await import('@jsquash/webp/decode.js');
    const wasm = await compiled('@jsquash/webp/codec/dec/webp_dec.wasm');
    return (await runCodec(bytes, name, width, height, wasm, init, decode)).rgba;
  },
};

const modules = new Map<string, Promise<WebAssembly.Module>>();

/** The codec's WebAssembly, read from its package and compiled once. */
function compiled(path: string): Promise<WebAssembly.Module> {
  let module = modules.get(path);
  if (!module) {
    const file = createRequire(import.meta.url).resolve(path);
    module = readFile(file).then((bytes) => WebAssembly.compile(bytes));
    modules.set(path, module);
  }
  return module;
}

type Init = (...args: never[]) => Promise<void>;
type Decode = (
  buffer: ArrayBuffer,
) => Promise<{ data: Uint8ClampedArray; width: number; height: number }>;

/**
 * Decodes with an instance of its own: a codec that met a damaged file is not used again, the memory of a
 * large photo goes back (WebAssembly memory cannot shrink), and what it says belongs to this file.
 */
async function runCodec(
  bytes: Uint8Array,
  name: string,
  width: number,
  height: number,
  wasm: WebAssembly.Module,
  init: Init,
  decode: Decode,
): Promise<{ rgba: Uint8Array; said: string[] }> {
  const said: string[] = [];
  const hear = (line: unknown) => {
    said.push(String(line));
  };
  // A copy of its own: `slice` of a Node Buffer would share the pool that small files are read into.
  const { buffer } = new Uint8Array(bytes);
  let image: Awaited<ReturnType<Decode>>;
  try {
    // `decode` takes the instance that the last `init` began: nothing may come between the two calls.
    const ready = (init as (module: WebAssembly.Module, options: object) => Promise<void>)(wasm, {
      print: hear,
      printErr: hear,
    });
    const decoding = decode(buffer);
    [, image] = await Promise.all([ready, decoding]);
  } catch (error) {
    const why =
      said.join('; ') || (error instanceof Error && error.message) || 'the decoder gave up';
    if (/premature/i.test(why)) throw truncated(name, why);
    throw damaged(name, why);
  }
  if (image.width !== width || image.height !== height) {
    throw damaged(
      name,
      `its header says ${width} x ${height}, its pixels are ${image.width} x ${image.height}`,
    );
  }
  const { data } = image;
  return { rgba: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), said };
}
