/** Makers of weights files for the tests, honest ones and, piece by piece, dishonest ones. */
import { deflateSync } from 'fflate';
import { expect } from 'vitest';
import { WeightsError } from '../../src/errors.js';
import { crc32 } from '../../src/net/weights/crc32.js';
import { parseWeights } from '../../src/net/weights/index.js';

const latin = (text: string) => Array.from(text, (c) => c.charCodeAt(0));
const utf8 = (text: string) => [...new TextEncoder().encode(text)];
export const little = (value: number | bigint, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n));

export function concat(...parts: ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A safetensors file from header text as it is and the bytes after it. */
export function safetensors(header: string | number[], data = 0): Uint8Array<ArrayBuffer> {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  return concat(little(text.length, 8), text, new Uint8Array(data));
}

export interface ZipFile {
  name: string;
  data: Uint8Array;
  deflate?: boolean;
  /** Sizes and checksum behind the data, zeros before it, as PyTorch writes. */
  descriptor?: boolean;
  /** Values for the directory, the local header or both in place of the true ones. */
  central?: Partial<ZipFields>;
  local?: Partial<ZipFields>;
}

interface ZipFields {
  name: string;
  flags: number;
  method: number;
  crc: number;
  packed: number;
  size: number;
  offset: number;
}

/** A zip file; `zip64` adds the wide end record and hides the directory's fields behind it. */
export function zip(
  files: readonly ZipFile[],
  options: { zip64?: boolean; comment?: string; count?: number } = {},
): Uint8Array<ArrayBuffer> {
  const body: ArrayLike<number>[] = [];
  const central: ArrayLike<number>[] = [];
  let at = 0;
  for (const file of files) {
    const packed = file.deflate ? deflateSync(file.data) : file.data;
    const fields: ZipFields = {
      name: file.name,
      flags: file.descriptor ? 0x808 : 0x800,
      method: file.deflate ? 8 : 0,
      crc: crc32(file.data),
      packed: packed.length,
      size: file.data.length,
      offset: at,
    };
    const zeros = file.descriptor ? { crc: 0, packed: 0, size: 0 } : {};
    const local = { ...fields, ...zeros, ...file.local };
    const name = utf8(local.name);
    const sizes = (f: ZipFields) => [
      ...little(f.crc, 4),
      ...little(f.packed, 4),
      ...little(f.size, 4),
    ];
    const part = concat(
      [...latin('PK\x03\x04'), 20, 0, ...little(local.flags, 2), ...little(local.method, 2)],
      [0, 0, 0, 0, ...sizes(local), ...little(name.length, 2), 0, 0, ...name],
      packed,
      file.descriptor ? [...latin('PK\x07\x08'), ...sizes(fields)] : [],
    );
    body.push(part);
    at += part.length;
    const c = { ...fields, ...file.central };
    const wide = options.zip64 === true;
    const cname = utf8(c.name);
    const extra = wide
      ? [1, 0, 24, 0, ...[c.size, c.packed, c.offset].flatMap((n) => little(n, 8))]
      : [];
    const narrow = (n: number) => little(wide ? 0xffffffff : n, 4);
    central.push([
      ...latin('PK\x01\x02'),
      ...[45, 0, 45, 0, ...little(c.flags, 2), ...little(c.method, 2), 0, 0, 0, 0],
      ...[...little(c.crc, 4), ...narrow(c.packed), ...narrow(c.size)],
      ...[...little(cname.length, 2), ...little(extra.length, 2), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      ...[...narrow(c.offset), ...cname, ...extra],
    ]);
  }
  const directory = concat(...central);
  const count = options.count ?? files.length;
  const comment = utf8(options.comment ?? '');
  const end64 = options.zip64
    ? [
        ...[...latin('PK\x06\x06'), ...little(44, 8), 45, 0, 45, 0, ...little(0, 8)],
        ...[...little(count, 8), ...little(count, 8)],
        ...[...little(directory.length, 8), ...little(at, 8)],
        ...[
          ...latin('PK\x06\x07'),
          ...little(0, 4),
          ...little(at + directory.length, 8),
          1,
          0,
          0,
          0,
        ],
      ]
    : [];
  const open = options.zip64 === true;
  return concat(...body, directory, end64, [
    ...[...latin('PK\x05\x06'), 0, 0, 0, 0],
    ...[...little(open ? 0xffff : count, 2), ...little(open ? 0xffff : count, 2)],
    ...[...little(open ? 0xffffffff : directory.length, 4), ...little(open ? 0xffffffff : at, 4)],
    ...[...little(comment.length, 2), ...comment],
  ]);
}

type Code = number[];

/** Pickle pieces: each puts one value on the stack. */
export const py = {
  none: [0x4e],
  int: (n: number): Code => [0x4a, ...little(n, 4)],
  long: (n: bigint): Code => [0x8a, 9, ...little(n, 9)],
  str: (text: string): Code => [0x58, ...little(utf8(text).length, 4), ...utf8(text)],
  global: (module: string, name: string): Code => [0x63, ...utf8(`${module}\n${name}\n`)],
  tuple: (...items: Code[]): Code => [0x28, ...items.flat(), 0x74],
  list: (...items: Code[]): Code => [0x5d, 0x28, ...items.flat(), 0x65],
  dict: (...pairs: [Code, Code][]): Code => [0x7d, 0x28, ...pairs.flat(2), 0x75],
  call: (callee: Code, ...args: Code[]): Code => [...callee, ...py.tuple(...args), 0x52],
  make: (callee: Code, ...args: Code[]): Code => [...callee, ...py.tuple(...args), 0x81],
  build: (target: Code, state: Code): Code => [...target, ...state, 0x62],
  persistent: (id: Code): Code => [...id, 0x51],
  file: (value: Code): Uint8Array<ArrayBuffer> => concat([0x80, 2], value, [0x2e]),
};

export interface TensorSpec {
  storage?: string;
  key?: string;
  count?: Code;
  offset?: Code;
  size?: Code;
  stride?: Code;
}

const ints = (...values: number[]) => py.tuple(...values.map(py.int));

/** A tensor as torch.save pickles it; [2, 3] float32 in storage '0' unless told otherwise. */
export function tensor(spec: TensorSpec = {}): Code {
  const { storage = 'FloatStorage', key = '0', count = py.int(6) } = spec;
  const id = py.tuple(
    py.str('storage'),
    py.global('torch', storage),
    py.str(key),
    py.str('cpu'),
    count,
  );
  return py.call(
    py.global('torch._utils', '_rebuild_tensor_v2'),
    py.persistent(id),
    spec.offset ?? py.int(0),
    spec.size ?? ints(2, 3),
    spec.stride ?? ints(3, 1),
    [0x89],
    py.call(py.global('collections', 'OrderedDict')),
  );
}

export const shape = ints;

export const SIX = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);

/** A checkpoint: its pickle and its storages ('0' holds 1 to 6 unless told otherwise). */
export function checkpoint(
  value: Code | Uint8Array,
  storages: Record<string, Uint8Array> = { 0: SIX },
  more: ZipFile[] = [],
): Uint8Array<ArrayBuffer> {
  const pickle = value instanceof Uint8Array ? value : py.file(value);
  return zip([
    { name: 'archive/data.pkl', data: pickle, descriptor: true },
    ...Object.entries(storages).map(([key, data]) => ({
      name: `archive/data/${key}`,
      data,
      descriptor: true,
    })),
    ...more,
  ]);
}

/** The error of reading every tensor of `bytes`, which must be one line of `WeightsError`. */
export function refusal(bytes: Uint8Array): string {
  try {
    for (const entry of parseWeights(bytes, { name: 'w.bin' }).entries.values()) entry.read();
  } catch (error) {
    expect(error).toBeInstanceOf(WeightsError);
    const { message } = error as Error;
    expect(message).toMatch(/^w\.bin: [\x20-\x7e\u00a0-\uffff]+$/u);
    expect(message.length).toBeLessThan(700);
    return message;
  }
  throw new Error('the file was accepted');
}

/** What came of any bytes: a refusal, or the number of values read. Anything else fails the test. */
export function outcome(bytes: Uint8Array): string | number {
  let values = 0;
  try {
    for (const entry of parseWeights(bytes).entries.values()) {
      const size = entry.shape.reduce((a, b) => a * b, 1);
      const data = entry.read();
      if (data.length !== size) throw new Error(`${entry.name}: ${data.length} of ${size} values`);
      values += size;
    }
    return values;
  } catch (error) {
    if (error instanceof WeightsError && !error.message.includes('\n')) return error.message;
    throw error;
  }
}
