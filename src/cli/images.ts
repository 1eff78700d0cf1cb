import { readFile } from 'node:fs/promises';
import { parse } from 'node:path';
import { decodeImage } from '../image/decode-node.js';
import { readImageHeader } from '../image/format.js';
import type { RgbaImage } from '../image/photo.js';
import { whyUnreadable } from '../node.js';
import { UsageError } from './io.js';

/** A photo on disk, and the name of its results' folder. */
export interface ImageFile {
  /** As it was given. */
  readonly path: string;
  /** Its file name without the extension; a second photo of that name gets `-2`, a third `-3`. */
  readonly name: string;
}

/**
 * Names the photos, and looks at each one's header and structure, so that a bad one is found before anything is computed.
 *
 * @throws UsageError if one cannot be read, ImageError if it is no image or truncated.
 */
export async function imageFiles(paths: readonly string[]): Promise<ImageFile[]> {
  for (const path of paths) readImageHeader(await readImage(path), path);
  return distinct(paths.map(folderName)).map((name, i) => ({ path: paths[i], name }));
}

/** `cat` of `photos/cat.jpg`. A name of dots alone, as of `...png`, would be the results' own folder or one above it. */
const folderName = (path: string): string => parse(path).name.replace(/^\.+$/, 'photo');

/** Decodes a photo. @throws UsageError, ImageError */
export async function decodeFile({ path }: ImageFile): Promise<RgbaImage> {
  return decodeImage(await readImage(path), path);
}

async function readImage(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UsageError(`${path}: ${whyUnreadable(error)}`, { cause: error });
  }
}

/** Appends `-2`, `-3`, ... to names that are already taken; on many disks `Cat` and `cat` are the same. */
export function distinct(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let i = 2; taken.has(free.toLowerCase()); i++) free = `${name}-${i}`;
    taken.add(free.toLowerCase());
    return free;
  });
}
