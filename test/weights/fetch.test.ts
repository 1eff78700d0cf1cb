import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WeightsError } from '../../src/errors.js';
import { folderCache } from '../../src/net/weights/folder-cache.js';
import { fetchWeights, sha256, type WeightsCache } from '../../src/net/weights/index.js';

const BODY = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31) >> 3);
/** Quicker by far than comparing element by element. */
const isBody = (bytes: Uint8Array) => Buffer.compare(bytes, BODY) === 0;
let server: Server;
let base: string;
let hits = 0;

beforeAll(async () => {
  server = createServer((request, response) => {
    hits++;
    const path = request.url ?? '';
    if (path === '/missing') return void response.writeHead(404).end('no such file');
    if (path === '/short') {
      response.writeHead(200, { 'content-length': BODY.length });
      response.write(BODY.subarray(0, 1000), () => response.destroy());
      return;
    }
    if (path === '/slow') {
      response.writeHead(200, { 'content-length': BODY.length });
      response.write(BODY.subarray(0, 1000)); // and no more
      return;
    }
    if (path === '/chunked') {
      response.write(BODY.subarray(0, 1000));
      return void response.end(BODY.subarray(1000));
    }
    response.writeHead(200, { 'content-length': BODY.length }).end(BODY);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  hits = 0;
});

test('sha256 is the one of the standard', async () => {
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(await sha256(new TextEncoder().encode('abc'))).toBe(abc);
});

describe('from a server', () => {
  test('the bytes, with progress up to the stated length', async () => {
    const seen: [number, number | undefined][] = [];
    const bytes = await fetchWeights(`${base}/w`, { onProgress: (...now) => seen.push(now) });
    expect(isBody(bytes)).toBe(true);
    expect(seen[0]).toEqual([0, BODY.length]);
    expect(seen.at(-1)).toEqual([BODY.length, BODY.length]);
    expect(seen.every(([n], i) => i === 0 || n > seen[i - 1][0])).toBe(true);
  });

  test('without a stated length', async () => {
    const totals = new Set<number | undefined>();
    const onProgress = (_: number, total?: number) => totals.add(total);
    expect(isBody(await fetchWeights(`${base}/chunked`, { onProgress }))).toBe(true);
    expect([...totals]).toEqual([undefined]);
  });

  test.each([
    ['missing', /\/missing: HTTP 404 Not Found, expected the file$/],
    ['short', /\/short: /],
  ])('%s is refused', async (path, says) => {
    const fetched = fetchWeights(`${base}/${path}`);
    await expect(fetched).rejects.toThrow(WeightsError);
    await expect(fetchWeights(`${base}/${path}`)).rejects.toThrow(says);
  });

  test('a body cut short that the platform lets through is refused', async () => {
    const fetch = async () =>
      new Response(BODY.slice(0, 10), { headers: { 'content-length': '20' } });
    await expect(fetchWeights('http://x/w', { fetch })).rejects.toThrow(
      /ended after 10 bytes, expected 20/,
    );
  });

  test('an encoded body is not held to the length of its encoding', async () => {
    const headers = { 'content-length': '5', 'content-encoding': 'gzip' };
    const fetch = async () => new Response(BODY, { headers });
    expect(isBody(await fetchWeights('http://x/w', { fetch }))).toBe(true);
  });

  test('a server that is not there', async () => {
    await expect(fetchWeights('http://127.0.0.1:1/w')).rejects.toThrow(
      /127\.0\.0\.1:1\/w: cannot be fetched: \S/,
    );
  });

  test('aborted before and while loading, with the signal’s own reason', async () => {
    const reason = new Error('enough');
    await expect(fetchWeights(`${base}/w`, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    expect(hits).toBe(0);
    const control = new AbortController();
    const onProgress = (loaded: number) => loaded > 0 && control.abort(reason);
    await expect(fetchWeights(`${base}/slow`, { signal: control.signal, onProgress })).rejects.toBe(
      reason,
    );
  });

  test('another hash than asked for, or no hash at all', async () => {
    const other = 'ab'.repeat(32);
    await expect(fetchWeights(`${base}/w`, { sha256: other })).rejects.toThrow(
      new RegExp(`SHA-256 is ${await sha256(BODY)}, expected ${other}`),
    );
    await expect(fetchWeights(`${base}/w`, { sha256: 'abc' })).rejects.toThrow(
      /'abc', expected 64 hex digits/,
    );
  });
});

describe('from a folder', () => {
  let folder: string;
  let store: WeightsCache;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weights-'));
    store = folderCache(join(folder, 'deep', 'er'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const inside = async () => {
    const names = await readdir(join(folder, 'deep', 'er'));
    return names.map((name) => join(folder, 'deep', 'er', name));
  };

  test('fetched once, then read; one file, nothing left aside', async () => {
    for (const hash of [undefined, (await sha256(BODY)).toUpperCase()]) {
      hits = 0;
      for (let i = 0; i < 3; i++) {
        expect(isBody(await fetchWeights(`${base}/w`, { cacheStore: store, sha256: hash }))).toBe(
          true,
        );
      }
      expect(hits).toBe(1);
    }
    const files = await inside();
    expect(files).toHaveLength(2); // by address and by hash
    for (const file of files) expect(file).toMatch(/[0-9a-f]{32}\.[0-9a-f]{64}\.weights$/);
  });

  test.each([['one byte changed'], ['cut'], ['emptied']])('%s: fetched again', async (how) => {
    const options = { cacheStore: store, sha256: await sha256(BODY) };
    await fetchWeights(`${base}/w`, options);
    const [file] = await inside();
    const content = await readFile(file);
    if (how === 'one byte changed') content[1234] ^= 1;
    await writeFile(
      file,
      how === 'cut' ? content.subarray(0, 99) : how === 'emptied' ? '' : content,
    );
    expect(isBody(await fetchWeights(`${base}/w`, options))).toBe(true);
    expect(hits).toBe(2);
    expect(isBody(await fetchWeights(`${base}/w`, options))).toBe(true);
    expect(hits).toBe(2);
  });

  test('a damaged file is removed even where no hash was asked for', async () => {
    await fetchWeights(`${base}/w`, { cacheStore: store });
    const [file] = await inside();
    await writeFile(file, BODY.subarray(1));
    expect(await store.get(`${base}/w`)).toBeUndefined();
    expect(await inside()).toEqual([]);
    expect(isBody(await fetchWeights(`${base}/w`, { cacheStore: store }))).toBe(true);
    expect(hits).toBe(2);
  });

  test('a new content takes the place of the old', async () => {
    await store.put('k', Uint8Array.of(1));
    await store.put('k', Uint8Array.of(2));
    expect(await store.get('k')).toEqual(Uint8Array.of(2));
    expect(await inside()).toHaveLength(1);
    expect(await store.get('other')).toBeUndefined();
  });

  test('refused bytes are not kept, none uses no cache, a broken cache is no reason to fail', async () => {
    await expect(
      fetchWeights(`${base}/w`, { cacheStore: store, sha256: '00'.repeat(32) }),
    ).rejects.toThrow();
    await expect(fetchWeights(`${base}/missing`, { cacheStore: store })).rejects.toThrow();
    await fetchWeights(`${base}/w`, { cacheStore: store, cache: 'none' });
    await expect(inside()).rejects.toThrow(/ENOENT/);
    await writeFile(join(folder, 'deep'), 'a file where a folder should be');
    expect(isBody(await fetchWeights(`${base}/w`, { cacheStore: store }))).toBe(true);
  });

  test('a cache that gives wrong bytes is not believed', async () => {
    const liar: WeightsCache = {
      get: async () => Uint8Array.of(1, 2, 3),
      put: async () => undefined,
    };
    const bytes = await fetchWeights(`${base}/w`, { cacheStore: liar, sha256: await sha256(BODY) });
    expect(isBody(bytes)).toBe(true);
  });
});

describe('with the browser’s Cache API', () => {
  const kept = new Map<string, Response>();
  beforeEach(() => {
    kept.clear();
    const cache = {
      match: async (url: string) => kept.get(url)?.clone(),
      put: async (url: string, response: Response) => void kept.set(url, response),
      delete: async (url: string) => kept.delete(url),
    };
    (globalThis as { caches?: unknown }).caches = { open: async () => cache };
  });
  afterEach(() => {
    delete (globalThis as { caches?: unknown }).caches;
  });

  test('fetched once, then read, and fetched again when damaged', async () => {
    for (let i = 0; i < 2; i++) expect(isBody(await fetchWeights(`${base}/w`))).toBe(true);
    expect(hits).toBe(1);
    const [[url, response]] = kept;
    expect(() => new URL(url)).not.toThrow();
    kept.set(url, new Response(BODY.subarray(1), { headers: response.headers }));
    expect(isBody(await fetchWeights(`${base}/w`))).toBe(true);
    expect(hits).toBe(2);
  });
});
