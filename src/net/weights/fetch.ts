import { WeightsError } from '../../errors.js';
import { quote } from './text.js';

/** Where fetched weights are kept between runs. A wrong or damaged entry must come back as undefined. */
export interface WeightsCache {
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, bytes: Uint8Array): Promise<void>;
}

/** How `fetchWeights` works. */
export interface FetchWeightsOptions {
  /** The SHA-256 the bytes must have, 64 hex digits. Without it a cached copy is taken on trust of its URL. */
  readonly sha256?: string;
  /** Told of bytes loaded so far, and of all when the server says so. Not called for a cached copy. */
  readonly onProgress?: (loaded: number, total: number | undefined) => void;
  readonly signal?: AbortSignal;
  /** `none` neither looks into the cache nor fills it. */
  readonly cache?: 'default' | 'none';
  /** In place of the platform's `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  /** In place of the browser's Cache API; in Node nothing is cached without one (see `folderCache`). */
  readonly cacheStore?: WeightsCache;
}

const MAX_BYTES = 2 ** 32; // 4 GiB: a classifier is far smaller, a server that never ends is not

/** The SHA-256 of `bytes` as 64 lower-case hex digits. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  // Typed as not shared; a shared buffer is refused by the platform with its own words.
  const digest = await globalThis.crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * The bytes behind `url`, from the cache when they are there and their hash still holds. A cache that cannot
 * be written is no reason to fail. Throws `WeightsError` when the server refuses, the body is cut short, or the hash
 * is another than asked for; an aborted `signal` rejects with its own reason.
 */
export async function fetchWeights(
  url: string,
  options: FetchWeightsOptions = {},
): Promise<Uint8Array> {
  const expected = options.sha256?.toLowerCase();
  if (expected !== undefined && !/^[0-9a-f]{64}$/.test(expected)) {
    throw new WeightsError(`sha256 is ${quote(expected)}, expected 64 hex digits`);
  }
  options.signal?.throwIfAborted();
  const store = options.cache === 'none' ? undefined : (options.cacheStore ?? browserCache());
  const key = expected ?? url;

  const kept = await store?.get(key).catch(() => undefined);
  if (kept && (expected === undefined || (await sha256(kept)) === expected)) return kept;

  const bytes = await download(url, options);
  if (expected !== undefined) {
    const got = await sha256(bytes);
    if (got !== expected) {
      throw new WeightsError(
        `${url}: SHA-256 is ${got}, expected ${expected}: another version, or a damaged download`,
      );
    }
  }
  await store?.put(key, bytes).catch(() => undefined);
  return bytes;
}

async function download(url: string, options: FetchWeightsOptions): Promise<Uint8Array> {
  const { signal, onProgress } = options;
  const get = options.fetch ?? globalThis.fetch;
  const failed = (error: unknown) => {
    if (signal?.aborted) return signal.reason;
    if (error instanceof WeightsError) return error;
    const cause = (error as { cause?: { message?: string } }).cause?.message;
    const message = (error as Error).message;
    return new WeightsError(`${url}: cannot be fetched: ${cause ?? message}`, { cause: error });
  };
  const chunks: Uint8Array[] = [];
  let loaded = 0;
  try {
    const response = await get(url, { signal });
    if (!response.ok) {
      await response.body?.cancel();
      throw new WeightsError(
        `${url}: HTTP ${response.status} ${response.statusText}`
          .trimEnd()
          .concat(', expected the file'),
      );
    }
    // The length counts encoded bytes, so it says nothing once the body was encoded.
    const stated = response.headers.get('content-length');
    const encoded = response.headers.get('content-encoding') ?? 'identity';
    const total =
      stated && /^\d+$/.test(stated) && encoded === 'identity' ? Number(stated) : undefined;
    if (!response.body) throw new WeightsError(`${url}: HTTP ${response.status} without a body`);
    const reader = response.body.getReader();
    onProgress?.(0, total);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      signal?.throwIfAborted();
      chunks.push(value);
      loaded += value.length;
      if (loaded > MAX_BYTES) {
        await reader.cancel();
        throw new WeightsError(`${url}: more than ${MAX_BYTES} bytes, too large for weights`);
      }
      onProgress?.(loaded, total);
    }
    if (total !== undefined && loaded !== total) {
      throw new WeightsError(`${url}: ended after ${loaded} bytes, expected ${total}: try again`);
    }
  } catch (error) {
    throw failed(error);
  }
  return join(chunks, loaded);
}

/** Joined only at the end: a buffer is never sized by what a server claims. */
function join(chunks: Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < chunks.length; i++) {
    bytes.set(chunks[i], at);
    at += chunks[i].length;
    chunks[i] = new Uint8Array(0); // let it go at once
  }
  return bytes;
}

const CACHE_NAME = 'webgpu-cam-weights';
const HASH_HEADER = 'x-weights-sha256';

/** The browser's Cache API as a store, or undefined where there is none. Entries are hashed again when read. */
export function browserCache(): WeightsCache | undefined {
  const { caches } = globalThis;
  if (!caches) return undefined;
  // Only a key: the Cache API wants a URL, and this one can never be fetched.
  const address = (key: string) => `https://weights.invalid/${encodeURIComponent(key)}`;
  return {
    async get(key) {
      const cache = await caches.open(CACHE_NAME);
      const response = await cache.match(address(key));
      if (!response) return undefined;
      const bytes = new Uint8Array(await response.arrayBuffer());
      if ((await sha256(bytes)) === response.headers.get(HASH_HEADER)) return bytes;
      await cache.delete(address(key));
      return undefined;
    },
    async put(key, bytes) {
      const cache = await caches.open(CACHE_NAME);
      const headers = { [HASH_HEADER]: await sha256(bytes) };
      await cache.put(address(key), new Response(bytes as Uint8Array<ArrayBuffer>, { headers }));
    },
  };
}
