/**
 * What an image file says about itself before anything is decoded: its format by content, its size, its
 * orientation, and whether it is all there.
 */
import { ImageError } from '../errors.js';
import { exifOrientation, type Orientation } from './exif.js';

/** What the head of an image file tells. */
export interface ImageHeader {
  format: 'png' | 'jpeg' | 'webp';
  /** Pixels as stored, before the orientation is applied. */
  width: number;
  height: number;
  orientation: Orientation;
}

const ascii = (bytes: Uint8Array, from: number, to: number) =>
  String.fromCharCode(...bytes.subarray(from, to));

/** Signatures as `[offset, text, what it is]`, first match wins. */
const SIGNATURES: readonly (readonly [number, string, string])[] = [
  [0, '\x89PNG\r\n\x1a\n', 'png'],
  [0, '\xff\xd8\xff', 'jpeg'],
  [8, 'WEBP', 'webp'],
  [0, 'GIF8', 'a GIF image'],
  [0, 'BM', 'a BMP image'],
  [4, 'ftypavi', 'an AVIF image'],
  [4, 'ftyphe', 'a HEIC image'],
  [4, 'ftypmif1', 'a HEIC image'],
  [4, 'ftypmsf1', 'a HEIC image'],
  [4, 'ftypcrx', 'a camera raw file'],
  [4, 'ftyp', 'a video (MP4 family)'],
  [0, 'II*\0', 'a TIFF image'],
  [0, 'MM\0*', 'a TIFF image'],
  [0, '\xff\x0a', 'a JPEG XL image'],
  [4, 'JXL ', 'a JPEG XL image'],
  [4, 'jP  ', 'a JPEG 2000 image'],
  [0, '\0\0\x01\0', 'a Windows icon'],
  [0, '8BPS', 'a Photoshop file'],
  [0, '%PDF', 'a PDF document'],
  [0, 'PK\x03\x04', 'a zip archive'],
];

/** The format of a file by its content: `png`, `jpeg`, `webp`, or words for what it looks like instead. */
export function sniffFormat(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  for (const [offset, signature, format] of SIGNATURES) {
    if (ascii(bytes, offset, offset + signature.length) !== signature) continue;
    // Two letters alone may begin a text: the four bytes after a BMP's size are 0.
    if (signature === 'BM' && bytes.subarray(6, 10).some((byte) => byte !== 0)) continue;
    if (format === 'webp' && ascii(bytes, 0, 4) !== 'RIFF') continue;
    return format;
  }
  const head = bytes.subarray(0, 512);
  const text = new TextDecoder().decode(head);
  if (/^\ufeff?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg/is.test(text)) return 'an SVG drawing';
  if (/^\ufeff?\s*<(!doctype html|html|head|body)/i.test(text)) return 'an HTML page';
  const isText =
    head.every((byte) => byte >= 32 || (byte >= 9 && byte <= 13)) && !head.includes(127);
  return isText ? 'a text file' : 'a file of unknown format';
}

/** The error for a file that ends too early or contradicts itself. */
export const truncated = (name: string, where: string) =>
  new ImageError(`${name}: truncated image: ${where}; get a whole copy of the file`);
export const damaged = (name: string, what: string) =>
  new ImageError(`${name}: damaged image: ${what}; get another copy of the file`);

/**
 * Reads format, size and orientation of an image file, and checks that its structure runs to its end.
 * Nothing is decoded. Throws `ImageError` for another format, a truncated or a damaged file; `name` is
 * what the message calls it.
 */
export function readImageHeader(bytes: Uint8Array, name: string): ImageHeader {
  const format = sniffFormat(bytes);
  switch (format) {
    case 'png':
      return pngHeader(bytes, name);
    case 'jpeg':
      return jpegHeader(bytes, name);
    case 'webp':
      return webpHeader(bytes, name);
    default:
      throw new ImageError(`${name}: this is ${format}; expected a PNG, JPEG or WebP image`);
  }
}

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A chunk of a PNG file: its type, its data, and the offset of its type. */
export interface PngChunk {
  type: string;
  data: Uint8Array;
  offset: number;
}

/** The chunks of a PNG file up to and with IEND. Throws `ImageError` where the file ends before it. */
export function* pngChunks(bytes: Uint8Array, name: string): Generator<PngChunk> {
  const view = viewOf(bytes);
  let offset = 8;
  while (offset + 12 <= bytes.length) {
    const length = view.getUint32(offset);
    const type = ascii(bytes, offset + 4, offset + 8);
    if (!/^[A-Za-z]{4}$/.test(type)) throw damaged(name, `no PNG chunk at byte ${offset}`);
    if (offset + 12 + length > bytes.length) {
      throw truncated(
        name,
        `PNG chunk ${type} needs ${length} bytes at ${offset + 8} of ${bytes.length}`,
      );
    }
    yield { type, data: bytes.subarray(offset + 8, offset + 8 + length), offset: offset + 4 };
    if (type === 'IEND') return;
    offset += 12 + length;
  }
  throw truncated(name, `the PNG ends at byte ${bytes.length} without an IEND chunk`);
}

function pngHeader(bytes: Uint8Array, name: string): ImageHeader {
  let size: { width: number; height: number } | undefined;
  let orientation: Orientation = 1;
  for (const { type, data } of pngChunks(bytes, name)) {
    if (!size) {
      if (type !== 'IHDR' || data.length !== 13) {
        throw damaged(name, `a PNG starts with 13 bytes of IHDR, got ${data.length} of ${type}`);
      }
      size = { width: viewOf(data).getUint32(0), height: viewOf(data).getUint32(4) };
    }
    if (type === 'eXIf') orientation = exifOrientation(data);
  }
  if (!size) throw damaged(name, 'the PNG has no IHDR');
  return { format: 'png', ...size, orientation };
}

/**
 * Walks a JPEG's markers to its end. libjpeg fills what is missing with grey and says nothing, so a file
 * without an end-of-image marker is refused here.
 */
function jpegHeader(bytes: Uint8Array, name: string): ImageHeader {
  const view = viewOf(bytes);
  const end = () => truncated(name, `the JPEG ends at byte ${bytes.length} without an end marker`);
  let size: { width: number; height: number } | undefined;
  let orientation: Orientation | undefined;
  let scans = 0;
  let offset = 2;
  for (;;) {
    // Up to the next marker: entropy-coded data, in which FF is followed by 00 or by a restart marker.
    offset = bytes.indexOf(0xff, offset);
    if (offset < 0 || offset + 1 >= bytes.length) throw end();
    const marker = bytes[++offset];
    if (marker === 0xff) continue;
    offset++;
    if (marker === 0x00 || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    if (marker === 0xd9) break;
    if (offset + 2 > bytes.length) throw end();
    const length = view.getUint16(offset);
    if (length < 2) throw damaged(name, `a JPEG segment of ${length} bytes at ${offset}`);
    if (offset + length > bytes.length) throw end();
    const segment = bytes.subarray(offset + 2, offset + length);
    offset += length;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame && !size) size = jpegFrame(segment, name);
    else if (marker === 0xe1 && ascii(segment, 0, 4) === 'Exif') {
      orientation ??= exifOrientation(segment);
    } else if (marker === 0xda) scans++;
  }
  if (!size) throw damaged(name, 'the JPEG has no frame header');
  if (scans === 0) throw damaged(name, 'the JPEG has no image data');
  return { format: 'jpeg', ...size, orientation: orientation ?? 1 };
}

function jpegFrame(segment: Uint8Array, name: string): { width: number; height: number } {
  if (segment.length < 6) throw damaged(name, 'the JPEG frame header is too short');
  const view = viewOf(segment);
  const components = segment[5];
  if (components === 4) {
    throw new ImageError(`${name}: this is a CMYK JPEG; expected RGB or grey, convert it first`);
  }
  if (components !== 1 && components !== 3) {
    throw damaged(name, `a JPEG has 1 or 3 components, got ${components}`);
  }
  return { width: view.getUint16(3), height: view.getUint16(1) };
}

function webpHeader(bytes: Uint8Array, name: string): ImageHeader {
  const view = viewOf(bytes);
  const end = Math.min(bytes.length, 8 + view.getUint32(4, true));
  if (8 + view.getUint32(4, true) > bytes.length) {
    throw truncated(
      name,
      `the WebP needs ${8 + view.getUint32(4, true)} bytes, got ${bytes.length}`,
    );
  }
  let canvas: { width: number; height: number } | undefined;
  let frame: { width: number; height: number } | undefined;
  let orientation: Orientation = 1;
  let offset = 12;
  while (offset + 8 <= end) {
    const type = ascii(bytes, offset, offset + 4);
    const length = view.getUint32(offset + 4, true);
    if (offset + 8 + length > end) {
      throw truncated(name, `WebP chunk ${type} needs ${length} bytes at ${offset + 8} of ${end}`);
    }
    const data = bytes.subarray(offset + 8, offset + 8 + length);
    if (type === 'VP8X' && length >= 10) {
      if (data[0] & 2) {
        throw new ImageError(
          `${name}: this is an animated WebP; expected a still image, save one frame`,
        );
      }
      canvas = { width: 1 + read24(data, 4), height: 1 + read24(data, 7) };
    } else if (type === 'VP8 ' && length >= 10) {
      const v = viewOf(data);
      frame = { width: v.getUint16(6, true) & 0x3fff, height: v.getUint16(8, true) & 0x3fff };
    } else if (type === 'VP8L' && length >= 5) {
      const bits = viewOf(data).getUint32(1, true);
      frame = { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
    } else if (type === 'EXIF') orientation = exifOrientation(data);
    offset += 8 + length + (length & 1);
  }
  if (!frame) throw damaged(name, 'the WebP has no image data');
  if (canvas && (canvas.width !== frame.width || canvas.height !== frame.height)) {
    throw damaged(
      name,
      `the WebP header says ${canvas.width} x ${canvas.height}, its image ${frame.width} x ${frame.height}`,
    );
  }
  return { format: 'webp', ...frame, orientation };
}

const read24 = (bytes: Uint8Array, at: number) =>
  bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
