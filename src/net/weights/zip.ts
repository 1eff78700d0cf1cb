import { Inflate } from 'fflate';
import { WeightsError } from '../../errors.js';
import { crc32 } from './crc32.js';
import { quote } from './text.js';

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const DESCRIPTOR = 0x08074b50;
const MAX16 = 0xffff;
const MAX32 = 0xffffffff;

const STORED = 0;
const DEFLATED = 8;

// Weights hardly compress (PyTorch does not even try), so a file that unpacks to a hundred times its size
// is a bomb. Small entries are let off: a short, repetitive text may well reach it.
const MAX_RATIO = 100;
const RATIO_FREE = 1 << 16; // bytes

/** One file inside a zip. Its name is only ever a key to look up, never a path. */
export interface ZipEntry {
  readonly name: string;
  /** Unpacked size in bytes. */
  readonly size: number;
  /**
   * The unpacked bytes: a view into the zip when stored, inflated once when deflated. The checksum is
   * compared the first time. Throws `WeightsError`.
   */
  bytes(): Uint8Array;
}

/**
 * The entries of a zip file by name, from its central directory (zip64 too). Refused: encryption,
 * compression other than deflate, several disks, entries that overlap or leave the file, duplicate
 * names, local headers that say otherwise than the directory, and deflate bombs. Throws `WeightsError`.
 */
export function readZip(bytes: Uint8Array, where: string): Map<string, ZipEntry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const directory = findDirectory(view, where);
  const members = readDirectory(bytes, view, directory, where);

  members.sort((a, b) => a.local - b.local);
  const entries = new Map<string, ZipEntry>();
  for (let i = 0; i < members.length; i++) {
    const member = members[i];
    if (entries.has(member.name)) {
      throw new WeightsError(`${where}: zip entry ${quote(member.name)} is there twice`);
    }
    const next = members[i + 1] ?? { name: 'the directory', local: directory.start };
    const start = locate(view, bytes, member, next, where);
    const packed = bytes.subarray(start, start + member.packedSize);
    entries.set(member.name, openEntry(member, packed, where));
  }
  return entries;
}

interface Directory {
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

interface Member {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packedSize: number;
  readonly size: number;
  readonly local: number;
}

/** A 64-bit number that must be a place or a size in this file. */
function u64(view: DataView, at: number, what: string, where: string): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(view.byteLength)) {
    throw new WeightsError(
      `${where}: zip ${what} at byte ${at} is ${value}, the file has ${view.byteLength} bytes`,
    );
  }
  return Number(value);
}

function findDirectory(view: DataView, where: string): Directory {
  const end = findEnd(view, where);
  const disks = view.getUint16(end + 4, true) | view.getUint16(end + 6, true);
  const narrow = {
    count: view.getUint16(end + 10, true),
    size: view.getUint32(end + 12, true),
    start: view.getUint32(end + 16, true),
  };
  if (disks !== 0 || view.getUint16(end + 8, true) !== narrow.count) {
    throw new WeightsError(`${where}: a zip in several parts is not read`);
  }
  const locator = end - 20;
  const has64 = locator >= 0 && view.getUint32(locator, true) === LOCATOR64;
  const { count, size, start, tail } = has64
    ? readEnd64(view, locator, narrow, where)
    : { ...narrow, tail: end };
  if (start + size !== tail) {
    throw new WeightsError(
      `${where}: zip directory of ${size} bytes at byte ${start} ends at ${start + size}, expected ${tail}`,
    );
  }
  if (count * 46 > size) {
    throw new WeightsError(
      `${where}: zip directory claims ${count} entries in ${size} bytes, each takes at least 46`,
    );
  }
  return { start, end: start + size, count };
}

/** The end record is the last thing in the file, but for a comment of its own stated length. */
function findEnd(view: DataView, where: string): number {
  const last = view.byteLength - 22;
  for (let at = last; at >= Math.max(0, last - MAX16); at--) {
    if (view.getUint32(at, true) === END && at + 22 + view.getUint16(at + 20, true) === last + 22) {
      return at;
    }
  }
  throw new WeightsError(
    `${where}: a zip without its end record (0x06054b50 in the last 64 KiB): truncated file?`,
  );
}

function readEnd64(
  view: DataView,
  locator: number,
  narrow: { count: number; size: number; start: number },
  where: string,
) {
  const at = u64(view, locator + 8, 'zip64 end record offset', where);
  if (at + 56 > locator || view.getUint32(at, true) !== END64) {
    throw new WeightsError(
      `${where}: no zip64 end record at byte ${at}, where the file says it is`,
    );
  }
  if (u64(view, at + 4, 'zip64 end record size', where) + 12 + at !== locator) {
    throw new WeightsError(
      `${where}: the zip64 end record at byte ${at} does not end at ${locator}`,
    );
  }
  if (view.getUint32(at + 16, true) !== 0 || view.getUint32(at + 20, true) !== 0) {
    throw new WeightsError(`${where}: a zip in several parts is not read`);
  }
  const wide = {
    count: u64(view, at + 32, 'entry count', where),
    size: u64(view, at + 40, 'directory size', where),
    start: u64(view, at + 48, 'directory offset', where),
  };
  for (const key of ['count', 'size', 'start'] as const) {
    const open = key === 'count' ? MAX16 : MAX32;
    if (narrow[key] !== open && narrow[key] !== wide[key]) {
      throw new WeightsError(
        `${where}: zip end records disagree on the directory's ${key}: ${narrow[key]} and ${wide[key]}`,
      );
    }
  }
  return { ...wide, tail: at };
}

function readDirectory(
  bytes: Uint8Array,
  view: DataView,
  directory: Directory,
  where: string,
): Member[] {
  const members: Member[] = [];
  let at = directory.start;
  for (let i = 0; i < directory.count; i++) {
    if (at + 46 > directory.end || view.getUint32(at, true) !== CENTRAL) {
      throw new WeightsError(
        `${where}: no zip directory entry at byte ${at}, expected number ${i}`,
      );
    }
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const next = extraEnd + view.getUint16(at + 32, true);
    if (next > directory.end) {
      throw new WeightsError(
        `${where}: zip directory entry at byte ${at} ends at ${next}, past the directory's end at ${directory.end}`,
      );
    }
    const name = latin1OrUtf8(bytes.subarray(at + 46, nameEnd));
    const shown = `${where}: zip entry ${quote(name)}`;
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    if (flags & 0x2061)
      throw new WeightsError(`${shown} is encrypted or patched, which is not read`);
    if (method !== STORED && method !== DEFLATED) {
      throw new WeightsError(`${shown} is packed by method ${method}, expected 0 or 8 (deflate)`);
    }
    if (view.getUint16(at + 34, true) !== 0) {
      throw new WeightsError(`${shown} lies on another disk, which is not read`);
    }
    const wide = new Zip64Field(view, nameEnd, extraEnd, shown);
    const size = wide.instead(view.getUint32(at + 24, true), 'size');
    const packedSize = wide.instead(view.getUint32(at + 20, true), 'packed size');
    const local = wide.instead(view.getUint32(at + 42, true), 'offset');
    if (method === STORED && size !== packedSize) {
      throw new WeightsError(`${shown} is stored, yet its sizes differ: ${packedSize} and ${size}`);
    }
    if (size > RATIO_FREE && size > packedSize * MAX_RATIO) {
      throw new WeightsError(
        `${shown} unpacks from ${packedSize} to ${size} bytes, over ${MAX_RATIO} times: refused as a zip bomb; torch.save does not compress`,
      );
    }
    members.push({
      name,
      flags,
      method,
      crc: view.getUint32(at + 16, true),
      packedSize,
      size,
      local,
    });
    at = next;
  }
  if (at !== directory.end) {
    throw new WeightsError(
      `${where}: zip directory of ${directory.count} entries ends at byte ${at}, expected ${directory.end}`,
    );
  }
  return members;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Names are compared and shown, nothing else: any reading that tells them apart will do. */
function latin1OrUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return String.fromCharCode(...bytes.subarray(0, 4096));
  }
}

/** The extra field that holds, in order, the numbers too large for their 32 bits. */
class Zip64Field {
  private at = 0;
  private end = 0;

  constructor(
    private readonly view: DataView,
    start: number,
    end: number,
    private readonly shown: string,
  ) {
    for (let at = start; at + 4 <= end; ) {
      const fieldEnd = at + 4 + view.getUint16(at + 2, true);
      if (fieldEnd > end) break; // padding, as PyTorch writes to align its data
      if (view.getUint16(at, true) === 1) {
        this.at = at + 4;
        this.end = fieldEnd;
        return;
      }
      at = fieldEnd;
    }
  }

  /** `narrow`, or the next 64-bit number when `narrow` says to look here. */
  instead(narrow: number, what: string): number {
    if (narrow !== MAX32) return narrow;
    if (this.at + 8 > this.end) {
      throw new WeightsError(`${this.shown} has no zip64 field for its ${what}`);
    }
    this.at += 8;
    const value = this.view.getBigUint64(this.at - 8, true);
    if (value > Number.MAX_SAFE_INTEGER) {
      throw new WeightsError(`${this.shown} has ${what} ${value}, more than 2^53`);
    }
    return Number(value);
  }
}

/**
 * Where the packed data start, once the local header agrees with the directory and the whole entry ends
 * before the next. That comes first: it keeps the work linear in the file however entries are laid out.
 */
function locate(
  view: DataView,
  bytes: Uint8Array,
  member: Member,
  next: { name: string; local: number },
  where: string,
): number {
  const { local } = member;
  const shown = `${where}: zip entry ${quote(member.name)}`;
  if (local + 30 > view.byteLength || view.getUint32(local, true) !== LOCAL) {
    throw new WeightsError(`${shown} has no local header at byte ${local}`);
  }
  const nameEnd = local + 30 + view.getUint16(local + 26, true);
  const start = nameEnd + view.getUint16(local + 28, true);
  const end = start + member.packedSize;
  const checkEnd = (end: number) => {
    if (end <= next.local) return;
    throw new WeightsError(
      `${shown} ends at byte ${end}, past the start of ${quote(next.name)} at ${next.local}: entries overlap`,
    );
  };
  checkEnd(end);
  const differs = (what: string, got: unknown, expected: unknown) =>
    new WeightsError(
      `${shown}: local header at byte ${local} has ${what} ${got}, the directory ${expected}`,
    );
  const name = latin1OrUtf8(bytes.subarray(local + 30, nameEnd));
  if (name !== member.name) throw differs('name', quote(name), quote(member.name));
  const flags = view.getUint16(local + 6, true);
  if (flags !== member.flags) throw differs('flags', flags, member.flags);
  const method = view.getUint16(local + 8, true);
  if (method !== member.method) throw differs('method', method, member.method);

  const crc = view.getUint32(local + 14, true);
  const wide = new Zip64Field(view, nameEnd, start, shown);
  const size = wide.instead(view.getUint32(local + 22, true), 'size');
  const packedSize = wide.instead(view.getUint32(local + 18, true), 'packed size');
  // A writer that did not know them yet leaves zeros here and puts the numbers behind the data.
  if (member.flags & 8 && crc === 0 && size === 0 && packedSize === 0) {
    checkEnd(end + descriptorLength(view, end, member, shown));
    return start;
  }
  if (crc !== member.crc) throw differs('checksum', crc, member.crc);
  if (size !== member.size) throw differs('size', size, member.size);
  if (packedSize !== member.packedSize) throw differs('packed size', packedSize, member.packedSize);
  return start;
}

/** Length of the data descriptor at `at`: with or without signature, sizes of 32 or 64 bits. */
function descriptorLength(view: DataView, at: number, member: Member, shown: string): number {
  for (const signature of [4, 0]) {
    for (const width of [4, 8]) {
      const length = signature + 4 + 2 * width;
      if (at + length > view.byteLength) continue;
      if (signature && view.getUint32(at, true) !== DESCRIPTOR) continue;
      const number = (offset: number) =>
        width === 4 ? view.getUint32(offset, true) : Number(view.getBigUint64(offset, true));
      const sizes = at + signature + 4;
      if (
        view.getUint32(at + signature, true) === member.crc &&
        number(sizes) === member.packedSize &&
        number(sizes + width) === member.size
      ) {
        return length;
      }
    }
  }
  throw new WeightsError(
    `${shown}: what follows its data at byte ${at} is not the checksum and sizes the directory gives`,
  );
}

function openEntry(member: Member, packed: Uint8Array, where: string): ZipEntry {
  let unpacked: Uint8Array | undefined;
  const shown = `${where}: zip entry ${quote(member.name)}`;
  return {
    name: member.name,
    size: member.size,
    bytes() {
      if (unpacked) return unpacked;
      const data = member.method === STORED ? packed : inflate(packed, member.size, shown);
      const crc = crc32(data);
      if (crc !== member.crc) {
        throw new WeightsError(
          `${shown} is damaged: its checksum is ${crc}, expected ${member.crc}; fetch the file again`,
        );
      }
      unpacked = data;
      return unpacked;
    },
  };
}

/** Inflates to exactly `size` bytes, a piece at a time so that a lie about the size stops it early. */
function inflate(packed: Uint8Array, size: number, shown: string): Uint8Array {
  const out = new Uint8Array(size); // at most 100 times what the file really holds, or 64 KiB
  let at = 0;
  const stream = new Inflate((chunk) => {
    if (at + chunk.length > size) {
      throw new WeightsError(`${shown} unpacks to more than the ${size} bytes it claims`);
    }
    out.set(chunk, at);
    at += chunk.length;
  });
  const step = 1 << 14;
  try {
    for (let i = 0; i < packed.length; i += step) {
      stream.push(packed.subarray(i, i + step), i + step >= packed.length);
    }
  } catch (error) {
    if (error instanceof WeightsError) throw error;
    throw new WeightsError(`${shown} cannot be inflated: ${(error as Error).message}`);
  }
  if (at !== size) {
    throw new WeightsError(`${shown} unpacks to ${at} bytes, it claims ${size}`);
  }
  return out;
}
