import { WeightsError } from '../../errors.js';
import { DTYPE_BYTES, type Dtype, decode, encodeHalf, isDtype } from './dtype.js';
import { JsonFault, JsonNumber, type JsonValue, parseJson } from './json.js';
import { quote } from './text.js';
import type { WeightEntry } from './types.js';

// A file is: u64 little-endian header length, the header (JSON, maybe padded with spaces), then the
// tensors' bytes, row-major and without any gap:
//
//   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"k": "v"}}

const MAX_HEADER = 100_000_000; // bytes, as the reference implementation has it
const MAX_RANK = 64;

interface Placed {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a safetensors file. Every tensor must lie inside the file, have the size that its shape and type
 * ask for, and follow the one before without gap or overlap up to the last byte. Nothing is allocated by a
 * size the file claims. Throws `WeightsError`; `where` names the file in it.
 */
export function parseSafetensors(
  bytes: Uint8Array,
  where: string,
): { entries: Map<string, WeightEntry>; metadata: Record<string, string> } {
  const { header, dataStart } = readHeader(bytes, where);
  const metadata = readMetadata(header.get('__metadata__'), where);
  const data = bytes.subarray(dataStart);
  const placed: Placed[] = [];
  for (const [name, info] of header) {
    if (name !== '__metadata__') placed.push(readInfo(name, info, data.length, where));
  }
  checkTiling(placed, data.length, where);

  const entries = new Map<string, WeightEntry>();
  for (const { name, dtype, shape, start, end } of placed) {
    const stored = data.subarray(start, end);
    entries.set(name, { name, dtype, shape, read: () => decode(stored, dtype) });
  }
  return { entries, metadata };
}

function readHeader(bytes: Uint8Array, where: string) {
  if (bytes.length < 8) {
    throw new WeightsError(
      `${where}: ${bytes.length} bytes, a safetensors file starts with 8 bytes of header length`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > MAX_HEADER) {
    throw new WeightsError(
      `${where}: header length at byte 0 is ${length}, expected at most ${MAX_HEADER}`,
    );
  }
  const dataStart = 8 + Number(length);
  if (dataStart > bytes.length) {
    throw new WeightsError(
      `${where}: header length at byte 0 is ${length}, only ${bytes.length - 8} bytes follow: truncated file?`,
    );
  }
  if (length < 2n) {
    throw new WeightsError(
      `${where}: header length at byte 0 is ${length}, the shortest header is 2 bytes ('{}')`,
    );
  }
  if (bytes[8] !== 0x7b) {
    throw new WeightsError(
      `${where}: header at byte 8 starts with 0x${hex(bytes[8])}, expected 0x7b ('{')`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, dataStart));
  } catch {
    throw new WeightsError(`${where}: header at bytes 8 to ${dataStart} is not UTF-8`);
  }
  let header: JsonValue;
  try {
    header = parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    throw new WeightsError(`${where}: header at byte 8 is not valid JSON, ${error.message}`);
  }
  return { header: header as Map<string, JsonValue>, dataStart }; // it begins with '{'
}

const hex = (byte: number) => byte.toString(16).padStart(2, '0');

function readMetadata(value: JsonValue | undefined, where: string): Record<string, string> {
  const metadata: Record<string, string> = Object.create(null);
  if (value === undefined || value === null) return metadata;
  if (!(value instanceof Map)) {
    throw new WeightsError(`${where}: __metadata__ is ${describe(value)}, expected an object`);
  }
  for (const [key, text] of value) {
    if (typeof text !== 'string') {
      throw new WeightsError(
        `${where}: __metadata__ ${quote(key)} is ${describe(text)}, expected a string`,
      );
    }
    metadata[key] = text;
  }
  return metadata;
}

function readInfo(name: string, info: JsonValue, dataLength: number, where: string): Placed {
  const at = `${where}: tensor ${quote(name)}`;
  if (!(info instanceof Map)) {
    throw new WeightsError(`${at} is ${describe(info)}, expected dtype, shape and data_offsets`);
  }
  const dtype = info.get('dtype');
  if (typeof dtype !== 'string' || !isDtype(dtype)) {
    const known = Object.keys(DTYPE_BYTES).join(', ');
    throw new WeightsError(`${at} has dtype ${describe(dtype)}, expected one of ${known}`);
  }
  const shape = integers(info.get('shape'), `${at}: shape`);
  if (shape.length > MAX_RANK) {
    throw new WeightsError(`${at} has ${shape.length} dimensions, expected at most ${MAX_RANK}`);
  }
  const offsets = integers(info.get('data_offsets'), `${at}: data_offsets`);
  if (offsets.length !== 2) {
    throw new WeightsError(`${at}: data_offsets has ${offsets.length} numbers, expected 2`);
  }
  const [start, end] = offsets;
  if (end < start) {
    throw new WeightsError(`${at}: data_offsets [${start}, ${end}] end before they start`);
  }
  if (end > dataLength) {
    throw new WeightsError(
      `${at}: data_offsets [${start}, ${end}] go past the end of the data, which has ${dataLength} bytes`,
    );
  }
  const size = byteSize(shape, dtype);
  if (size === undefined) {
    throw new WeightsError(`${at}: shape [${shape}] of ${dtype} has more than 2^53 bytes`);
  }
  if (end - start !== size) {
    throw new WeightsError(
      `${at}: data_offsets [${start}, ${end}] hold ${end - start} bytes, shape [${shape}] of ${dtype} needs ${size}`,
    );
  }
  return { name, dtype, shape, start, end };
}

/** Bytes of a tensor, or undefined where a double cannot count them. */
function byteSize(shape: readonly number[], dtype: Dtype): number | undefined {
  if (shape.includes(0)) return 0;
  let size: number = DTYPE_BYTES[dtype];
  for (const dimension of shape) {
    size *= dimension;
    if (!Number.isSafeInteger(size)) return undefined;
  }
  return size;
}

function integers(value: JsonValue | undefined, what: string): number[] {
  if (!Array.isArray(value)) {
    throw new WeightsError(`${what} is ${describe(value)}, expected a list of integers`);
  }
  return value.map((item, i) => {
    const number =
      item instanceof JsonNumber && /^\d+$/.test(item.text) ? Number(item.text) : Number.NaN;
    if (Number.isSafeInteger(number)) return number;
    throw new WeightsError(
      `${what} has ${describe(item)} at position ${i}, expected an integer from 0 to 2^53 - 1`,
    );
  });
}

/** Tensors must cover the data exactly once, from its first byte to its last. */
function checkTiling(placed: readonly Placed[], dataLength: number, where: string): void {
  const inOrder = [...placed].sort((a, b) => a.start - b.start || a.end - b.end);
  let cursor = 0;
  let before: Placed | undefined;
  for (const tensor of inOrder) {
    const at = `${where}: tensor ${quote(tensor.name)} starts at data offset ${tensor.start}`;
    if (tensor.start < cursor) {
      throw new WeightsError(
        `${at}, inside ${quote(before?.name ?? '')}, which ends at ${cursor}: tensors overlap`,
      );
    }
    if (tensor.start > cursor) {
      throw new WeightsError(`${at}, expected ${cursor}: a hole no tensor owns`);
    }
    cursor = tensor.end;
    before = tensor;
  }
  if (cursor !== dataLength) {
    throw new WeightsError(
      `${where}: ${dataLength - cursor} bytes after the last tensor, which ends at data offset ${cursor} of ${dataLength}`,
    );
  }
}

function describe(value: JsonValue | undefined): string {
  if (value === undefined) return 'missing';
  if (value instanceof JsonNumber) return quote(value.text);
  if (typeof value === 'string') return quote(value);
  if (Array.isArray(value)) return 'a list';
  return value instanceof Map ? 'an object' : String(value);
}

/** A tensor to be written: row-major values, stored as float32 unless told otherwise. */
export interface TensorToEncode {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  readonly dtype?: 'F32' | 'F16';
}

/**
 * Writes a safetensors file, the data starting on a multiple of 8 bytes and every tensor on a multiple of
 * its element size. Throws `WeightsError` when a shape does not fit its data or float16 cannot hold a value.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorToEncode>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const fields: string[] = [];
  if (metadata) fields.push(`"__metadata__":${JSON.stringify({ ...metadata })}`);

  // Wide types first: then no tensor is ever off its alignment.
  const wideFirst = [...tensors].sort(([, a], [, b]) => width(b) - width(a));
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { shape, data, dtype = 'F32' }] of wideFirst) {
    if (name === '__metadata__') {
      throw new WeightsError("a tensor cannot be called '__metadata__' in a safetensors file");
    }
    const count = shape.reduce((a, b) => a * b, 1);
    if (count !== data.length || shape.some((d) => !Number.isSafeInteger(d) || d < 0)) {
      throw new WeightsError(
        `tensor ${quote(name)} has shape [${shape}], ${count} elements, and ${data.length} values`,
      );
    }
    const part = storedBytes(name, data, dtype);
    const end = offset + part.length;
    fields.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${offset},${end}]}`,
    );
    parts.push(part);
    offset = end;
  }

  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  const headerLength = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerLength + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, 8, 8 + headerLength);
  file.set(json, 8);
  let at = 8 + headerLength;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

const width = ({ dtype = 'F32' }: TensorToEncode) => DTYPE_BYTES[dtype];

function storedBytes(name: string, data: Float32Array, dtype: 'F32' | 'F16'): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  try {
    return new Uint8Array(encodeHalf(data).buffer);
  } catch (error) {
    throw new WeightsError(`tensor ${quote(name)}: ${(error as Error).message}`);
  }
}
