/** What webgpu-cam offers in Node only: files in and out, and the WebGPU of Dawn. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WeightsError } from './errors.js';
import { userCacheFolder } from './gpu/user-cache.js';
import { fetchWeights, sha256 } from './net/weights/fetch.js';
import { folderCache } from './net/weights/folder-cache.js';
import { parseWeights, type Weights } from './net/weights/index.js';

export { platformGpu } from './gpu/platform-node.js';
export { type DecodedImage, type DecodeOptions, decodeImage } from './image/decode-node.js';
export { encodePng } from './image/encode-node.js';
export { folderCache } from './net/weights/folder-cache.js';

/** How {@link loadWeightsFile} works. */
export interface LoadWeightsOptions {
  /** The SHA-256 the file must have, 64 hex digits. */
  readonly sha256?: string;
  /** Where fetched files are kept; default `webgpu-cam/weights` in the user's cache folder. */
  readonly cacheFolder?: string;
  /** Told of bytes fetched so far, and of all when the server says so. */
  readonly onProgress?: (loaded: number, total: number | undefined) => void;
  readonly signal?: AbortSignal;
}

/** A weights file with the hash of its bytes. */
export interface LoadedWeights {
  readonly weights: Weights;
  readonly bytes: number;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
}

/**
 * Reads and checks a weights file, given by its path or by an http(s) address, which is fetched once and then kept in a cache.
 *
 * @throws WeightsError if there is no such file, it cannot be read or fetched, is damaged, or has another hash than asked for.
 */
export async function loadWeightsFile(
  pathOrUrl: string,
  options: LoadWeightsOptions = {},
): Promise<LoadedWeights> {
  const bytes = /^https?:\/\//i.test(pathOrUrl)
    ? await fetchWeights(pathOrUrl, {
        sha256: options.sha256,
        onProgress: options.onProgress,
        signal: options.signal,
        cacheStore: folderCache(options.cacheFolder ?? join(userCacheFolder(), 'weights')),
      })
    : await readWeights(pathOrUrl);
  const hash = await sha256(bytes);
  if (options.sha256 !== undefined && hash !== options.sha256.toLowerCase()) {
    throw new WeightsError(`${pathOrUrl}: SHA-256 is ${hash}, expected ${options.sha256}`);
  }
  const weights = parseWeights(bytes, { name: pathOrUrl });
  return { weights, bytes: bytes.length, sha256: hash };
}

async function readWeights(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new WeightsError(`${path}: ${whyUnreadable(error)}`, { cause: error });
  }
}

/** The reason that a file cannot be read, in words. */
export function whyUnreadable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOENT: 'no such file',
    ENOTDIR: 'no such file (a part of its path is not a folder)',
    EISDIR: 'is a folder, should be a file',
    EACCES: 'cannot be read: permission denied',
    EPERM: 'cannot be read: permission denied',
    ERR_FS_FILE_TOO_LARGE: 'is larger than 2 GiB, which cannot be read',
  };
  return reasons[code ?? ''] ?? `cannot be read: ${message}`;
}
