import { readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Gpu } from '../../src/gpu/device.js';
import { decodeImage } from '../../src/image/decode-node.js';
import { encodePng } from '../../src/image/encode-node.js';
import { Photo } from '../../src/image/photo.js';
import { severalPets } from '../../src/toy/toypets.js';
import { allKernels } from '../support/all-kernels.js';
import { type Chrome, noChrome, startChrome } from '../support/chrome.js';
import { goldenDir, hasFolder, realDir } from '../support/folders.js';
import { relativeL2 } from '../support/numbers.js';
import { bundleForBrowser } from './bundle.js';
import { explainPhoto } from './explain-run.js';
import { decode, runKernels } from './kernel-run.js';
import type { InPage } from './page.js';

declare const inPage: InPage;

const root = fileURLToPath(new URL('../../', import.meta.url));
/** The file that the server sends for a path. */
const file = (path: string) =>
  path.startsWith('/real/') ? join(realDir, path.slice('/real/'.length)) : join(root, path);

const toyPng = toyPicture();

/** A picture with a cat and a dog, as a file. */
function toyPicture(): Uint8Array {
  const { rgb, size } = severalPets(3, { classIds: [0, 1] });
  return encodePng(rgb, size, size);
}

// A machine that builds must have a browser; on a developer's without one these tests wait.
test.runIf(process.env.CI)('there is a Chrome', () => expect(noChrome).toBeUndefined());

describe.skipIf(noChrome && !process.env.CI)(`in Chrome${noChrome ? ` (${noChrome})` : ''}`, () => {
  let chrome: Chrome;

  beforeAll(async () => {
    chrome = await startChrome({
      '/': { content: '<!doctype html><script type="module" src="/page.js"></script>' },
      '/page.js': { content: await bundleForBrowser('test/browser/page.ts') },
      '/favicon.ico': { content: '' },
      '/shaders/': resolve(root, 'shaders'),
      '/golden/': goldenDir,
      '/real/': realDir,
      '/models/': resolve(root, 'models'),
      '/toy.png': { content: toyPng },
    });
    await chrome.page.waitForFunction(() => 'inPage' in globalThis);
  });
  afterAll(async () => {
    await chrome?.close();
  });

  test('there is an adapter', async () => {
    expect(await chrome.page.evaluate(() => inPage.adapterName())).toMatch(/\w/);
  });

  test('every kernel gives what it gives in Node', async () => {
    const there = await chrome.page.evaluate(() => inPage.kernels());
    expect(there.liveBytes).toBe(0);
    const inChrome = decode(there.results);
    const gpu = await Gpu.request();
    const inNode = await runKernels(gpu, allKernels);
    gpu.destroy();
    // The two adapters may differ in features, and so in a few variants.
    const both = Object.keys(inNode).filter((name) => name in inChrome);
    for (const kernel of allKernels) {
      const its = both.filter((name) => name.startsWith(`${kernel.name} `));
      expect(
        its.some((name) => inNode[name].some((v) => v !== 0)),
        `${kernel.name}: computed nothing`,
      ).toBe(true);
    }
    for (const name of both) {
      if (inNode[name] instanceof Uint32Array) expect(inChrome[name], name).toEqual(inNode[name]);
      else expect(relativeL2(inChrome[name], inNode[name]), name).toBeLessThanOrEqual(1e-5);
    }
  }, 240_000);

  test.skipIf(!hasFolder(goldenDir))(
    'kernels agree with the golden files',
    async () => {
      // One of each file: all of them are run in Node, and every kernel is compared with Node above.
      let total = 0;
      const ops = readdirSync(join(goldenDir, 'kernels')).filter((name) => name.endsWith('.json'));
      for (const op of ops) {
        const name = op.slice(0, -'.json'.length);
        const there = await chrome.page.evaluate((wanted) => inPage.golden(wanted, 1), name);
        expect(there, name).toMatchObject({ wrong: [], liveBytes: 0 });
        total += there.checked;
      }
      expect(total).toBeGreaterThan(0);
    },
    240_000,
  );

  test('two adopted devices work in one page', async () => {
    const { results, separate } = await chrome.page.evaluate(() => inPage.twoAdopted());
    expect(results).toEqual([
      [0, 1, 0.5],
      [0, 2, 0.5],
    ]);
    expect(separate).toBe(true);
  });

  test('an adopted device is left as it was', async () => {
    const left = await chrome.page.evaluate(() => inPage.adoptAndLeave());
    expect(left).toEqual({
      result: [0, 4],
      handlerWhileUsed: true,
      scopesAreEmpty: true,
      liveBytes: 0,
      mapped: 1.5,
      lost: false,
      uncaptured: [expect.any(String)],
    });
  });

  test('a lost device rejects, and a fresh one works', async () => {
    expect(await chrome.page.evaluate(() => inPage.lose())).toEqual({
      first: 'DeviceError',
      second: 'DeviceError',
      fresh: [0, 2],
    });
  });

  const explanations = [
    {
      title: 'the embedded net on a picture with a cat and a dog',
      photo: '/toy.png',
      weights: '/models/toy_alexnet.safetensors',
      network: undefined,
      classId: 0,
      top: [0, 1],
    },
    {
      title: 'SqueezeNet 1.1 on a photo with a dog and a cat',
      photo: '/real/images/dog_and_cat.png',
      weights: '/real/squeezenet1_1.safetensors',
      network: 'squeezenet1_1',
      classId: 282,
      top: [242],
    },
  ];
  for (const { title, photo, weights, network, classId, top } of explanations) {
    // The real photos and weights lie beside a checkout, not in it.
    const isThere = !weights.startsWith('/real/') || hasFolder(realDir);
    test.skipIf(!isThere)(`an explanation is the same as in Node: ${title}`, async () => {
      const there = await chrome.page.evaluate(
        (a) => inPage.explained(a.photo, a.weights, a.network, a.classId),
        { photo, weights, network, classId },
      );
      const { map, overlay, pixels } = decode(there.images);
      const gpu = await Gpu.request();
      const decoded = await decodeImage(
        photo === '/toy.png' ? toyPng : readFileSync(file(photo)),
        photo,
      );
      const image = Photo.fromRgba(gpu, decoded);
      const here = await explainPhoto(gpu, network, readFileSync(file(weights)), image, classId);
      gpu.destroy();

      expect(Buffer.from(pixels.buffer).equals(decoded.rgba), 'decoded alike').toBe(true);
      expect(there.top5.map((t) => t.classId)).toEqual(here.top5.map((t) => t.classId));
      expect(top).toContain(there.top5[0].classId);
      expect(there.score).toBeCloseTo(here.score, 4);
      expect(there.warnings).toEqual([]);
      expect(relativeL2(map, here.map)).toBeLessThanOrEqual(1e-5);
      expect(Math.max(...map)).toBe(1);
      const there8 = new Uint8Array(overlay.buffer);
      expect(there8.length).toBe(here.overlay.length);
      expect(there8.findIndex((v, i) => Math.abs(v - here.overlay[i]) > 1)).toBe(-1);
      expect(there.liveBytes).toBe(0);
    });
  }

  test('a photo comes from whatever a page has: bitmap, canvas, video frame, texture, bytes', async () => {
    const wrong = await chrome.page.evaluate(() => inPage.sources());
    expect(Object.keys(wrong)).toContain('VideoFrame');
    for (const [source, bytes] of Object.entries(wrong)) expect(bytes, source).toBe(0);
  });

  test('a photo may have more pixels in a row, and rows, than a texture', async () => {
    const wrong = await chrome.page.evaluate(() => inPage.largeSources());
    expect(Object.values(wrong)).toEqual([0, 0]);
  });

  test('the page had no errors of its own', () => {
    expect(chrome.problems).toEqual([]);
  });

  test('the server sends what is in its folders, and nothing else', async () => {
    const { origin } = chrome.server;
    expect(await status(`${origin}/page.js`)).toEqual([200, 'text/javascript; charset=utf-8']);
    expect((await status(`${origin}/shaders/conv/conv2d.wgsl`))[0]).toBe(200);
    expect((await status(`${origin}/shaders/conv`))[0]).toBe(404);
    expect((await status(`${origin}/etc/passwd`))[0]).toBe(404);
    for (const way of ['../', '%2e%2e/', '..%2f', '..%5c', 'conv/../../', '..//..//']) {
      expect([403, 404], way).toContain((await status(`${origin}/shaders/${way}package.json`))[0]);
    }
    expect((await status(`${origin}/shaders/%00`))[0]).toBe(403);
    expect((await status(`${origin}/shaders/%zz`))[0]).toBe(400);
  });
});

/** Status and type of a path sent as it is: `fetch` would tidy the dots away. */
function status(url: string): Promise<[number, string | undefined]> {
  const { port, hostname } = new URL(url);
  const path = url.slice(url.indexOf('/', 'http://'.length));
  return new Promise((settle, reject) => {
    get({ hostname, port, path }, (response) => {
      response.resume();
      settle([response.statusCode ?? 0, response.headers['content-type']]);
    }).on('error', reject);
  });
}
