import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodePng } from '../../src/image/encode-node.js';
import { encodeSafetensors, parseWeights } from '../../src/net/weights/index.js';
import { singlePet, toyPetsClasses } from '../../src/toy/toypets.js';
import { type Chrome, noChrome, startChrome } from '../support/chrome.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe.skipIf(noChrome && !process.env.CI)('the page of `npm run page`', () => {
  let server: ChildProcess;
  let chrome: Chrome;
  let page: Page;
  const foreign: string[] = [];

  beforeAll(async () => {
    server = spawn(process.execPath, ['tools/page.mjs', '--port', '0'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(server.stdout!, 'data');
    const [url] = String(line).match(/http:\S+/)!;
    chrome = await startChrome({
      '/': { content: '<!doctype html>' },
      '/favicon.ico': { content: '' },
    });
    page = chrome.page;
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) {
        foreign.push(request.url());
      }
    });
    await page.goto(url);
    await settled('Ready');
  });
  afterAll(async () => {
    await chrome?.close();
    server?.kill();
  });

  /** Waits for the end of the job and for its line. */
  async function settled(text: string): Promise<void> {
    await page.waitForFunction(
      (wanted) =>
        !document.body.hasAttribute('aria-busy') &&
        document.getElementById('status')?.textContent?.includes(wanted),
      text,
      { timeout: 60_000 },
    );
  }

  /** Number of different colours on a canvas, and its size. */
  const canvas = (id: string) =>
    page.evaluate((wanted) => {
      const { width, height } = document.getElementById(wanted) as HTMLCanvasElement;
      const context = (document.getElementById(wanted) as HTMLCanvasElement).getContext('2d')!;
      const colours = new Set(
        new Uint32Array(context.getImageData(0, 0, width, height).data.buffer),
      );
      return { width, height, colours: colours.size };
    }, id);

  test('a photo gets its top five, its map and its overlay', async () => {
    const { rgb, size } = singlePet(9, { classId: 1 });
    await page.setInputFiles('#photo', {
      name: 'dog.png',
      mimeType: 'image/png',
      buffer: Buffer.from(encodePng(rgb, size, size)),
    });
    await settled('dog: score');
    const guesses = await page.locator('#top5 button').allTextContents();
    expect(guesses).toHaveLength(5);
    expect(guesses[0]).toMatch(/^dog \(1\): /);
    for (const id of ['overlay', 'map']) {
      expect(await canvas(id)).toMatchObject({ width: 112, height: 112 });
      expect((await canvas(id)).colours).toBeGreaterThan(50);
    }
  });

  test('another class, method and network are a choice away, by keyboard too', async () => {
    const other = page.locator('#top5 button').nth(1);
    const [, label] = (await other.textContent())!.match(/^(\w+) \(/)!;
    expect(toyPetsClasses).toContain(label);
    await other.focus();
    await page.keyboard.press('Enter');
    await settled(`${label}: score`);
    await page.selectOption('#method', 'layer-cam');
    await page.waitForFunction(() =>
      document.getElementById('overlay-text')?.textContent?.startsWith('layer-cam'),
    );
    await page.selectOption('#network', 'toy_vgg');
    await settled('dog: score');
    await page.click('#sample');
    await settled(': score');
    expect(await canvas('original')).toMatchObject({ width: 224, height: 224 });
  });

  test('methods that look at attention are offered for transformers only', async () => {
    const isOffered = () =>
      page
        .locator('#method option[value=raw-attention]')
        .evaluate((option) => !(option as HTMLOptionElement).disabled);
    expect(await isOffered()).toBe(false);
    await page.selectOption('#network', 'toy_vit');
    await settled(': score');
    expect(await isOffered()).toBe(true);
    await page.selectOption('#method', 'raw-attention');
    await page.waitForFunction(() =>
      document.getElementById('overlay-text')?.textContent?.startsWith('raw-attention'),
    );
    expect((await canvas('map')).colours).toBeGreaterThan(50);
    await page.selectOption('#network', 'toy_vgg');
    await page.waitForFunction(() =>
      document.getElementById('overlay-text')?.textContent?.startsWith('grad-cam'),
    );
    expect(await page.inputValue('#method')).toBe('grad-cam');
  });

  test('a perturbation method with options, sharpened, and cancelled', async () => {
    await page.selectOption('#network', 'toy_alexnet');
    await settled(': score');
    const groups = await page
      .locator('#method optgroup')
      .evaluateAll((list) => list.map((group) => (group as HTMLOptGroupElement).label));
    expect(groups).toEqual(['By activations and gradients', 'By perturbation (slower)']);
    await page.locator('#explain').evaluate(() => (document.querySelector('details')!.open = true));
    await page.selectOption('#method', 'group-cam');
    await settled(': score');
    await page.selectOption('#options select[name=preset]', 'authors');
    await page.fill('#options input[name=groups]', '4');
    await page.locator('#options input[name=groups]').blur();
    await settled(': score');
    expect(await page.textContent('#overlay-text')).toMatch(/^group-cam of /);
    expect(await page.locator('#cancel').isDisabled()).toBe(true);

    await page.selectOption('#method', 'grad-cam');
    await settled(': score');
    await page.check('#enhance');
    expect(await page.locator('#options input').count()).toBe(3);
    await settled(': score');
    expect(await page.textContent('#overlay-text')).toMatch(/^enhanced-grad-cam of /);
    await page.uncheck('#enhance');
    await settled(': score');

    await page.selectOption('#method', 'rise');
    await page.waitForFunction(() =>
      /RISE: \d+ of 4000 masks/.test(document.getElementById('status')!.textContent!),
    );
    expect(await page.locator('#progress').isVisible()).toBe(true);
    await page.click('#cancel');
    await settled('Cancelled');
    expect(await page.locator('#progress').isVisible()).toBe(false);
    await page.selectOption('#method', 'grad-cam');
    await settled(': score');
  });

  test('a device is tuned when asked for, shows what it times, and its browser keeps the choices', async () => {
    const kept = () =>
      page.evaluate(async () => {
        const cache = await caches.open('webgpu-cam-tuned');
        const [request] = await cache.keys();
        const table = await (request && (await cache.match(request)))?.json();
        return Object.keys(table?.choices ?? {});
      });
    const status = () => page.textContent('#status');
    expect(await page.isChecked('#tune')).toBe(false);
    expect(await kept()).toEqual([]);
    await page.selectOption('#network', 'toy_alexnet');
    await settled(': score');
    await page.click('#sample');
    await settled(': score');
    const guess = await page.textContent('#top5 button');

    await page.check('#tune');
    await page.waitForFunction(() =>
      /^Timing \w+ on this device: \d+ done$/.test(document.getElementById('status')!.textContent!),
    );
    const bar = page.locator('#progress');
    expect(await bar.isVisible()).toBe(true);
    expect(await bar.getAttribute('value')).toBe(null);
    await settled(': score');
    expect(await bar.isVisible()).toBe(false);
    expect(await status()).toMatch(/ ms(, of which some to time \d+ choices)?$/);
    expect(await kept()).toEqual(expect.arrayContaining(['convolution', 'conv2d', 'linear']));
    expect(await page.textContent('#top5 button')).toBe(guess);
    const layer = (await page.locator('#layer option').first().textContent())!;
    await page.selectOption('#layer', layer);
    await settled(': score');
    await page.uncheck('#tune');
    await settled(': score');
    expect(await page.inputValue('#layer')).toBe(layer);
    expect(await status()).toMatch(/ ms$/);

    await page.reload();
    await settled('Ready');
    expect(await page.isChecked('#tune')).toBe(false);
    await page.check('#tune');
    await settled('Ready');
    const said = await page.evaluateHandle(() => {
      const lines: string[] = [];
      const line = document.getElementById('status')!;
      new MutationObserver(() => lines.push(line.textContent!)).observe(line, { childList: true });
      return lines;
    });
    await page.click('#sample');
    await settled(': score');
    await page.uncheck('#tune');
    await settled(': score');
    const lines = await said.jsonValue();
    expect(lines.some((line) => line.includes(': score'))).toBe(true);
    expect(lines.filter((line) => line.startsWith('Timing'))).toEqual([]);
  });

  test('what cannot be done is said in one line', async () => {
    await page.fill('#class', '99');
    await page.locator('#class').blur();
    await settled('class 99 is out of range');
    await page.setInputFiles('#photo', {
      name: 'not.png',
      mimeType: 'image/png',
      buffer: Buffer.from('hello'),
    });
    await settled('not.png is no picture');
    await page.selectOption('#network', 'vgg16');
    await settled('vgg16 needs weights');
    expect(await page.locator('#status.error').count()).toBe(1);
  });

  test('a method is smoothed by the wrapper, also where a method has the name', async () => {
    await page.reload();
    await settled('Ready');
    await page.locator('#explain').evaluate(() => (document.querySelector('details')!.open = true));
    await page.selectOption('#method', 'grad-cam++');
    await page.check('#smooth');
    const names = await page
      .locator('#options input, #options select')
      .evaluateAll((list) => list.map((field) => (field as HTMLInputElement).name));
    expect(names).toEqual(['form', 'samples', 'noise', 'noiseSeed']);
  });

  test('weights that are given go before the embedded ones, and class names to networks of as many classes', async () => {
    await page.reload();
    await settled('Ready');
    await page.click('#sample');
    await settled(': score');
    const best = () => page.locator('#top5 button').first().textContent();
    const own = await best();
    // The embedded weights, but for one class that always wins.
    const { entries } = parseWeights(readFileSync(join(root, 'models/toy_vgg.safetensors')));
    const changed = [...entries].map(([name, entry]) => {
      const data = entry.read();
      if (name === 'classifier.1.bias') data[5] += 1000;
      return [name, { shape: entry.shape, data }] as const;
    });
    await page.setInputFiles('#weights', {
      name: 'own.safetensors',
      mimeType: 'application/octet-stream',
      buffer: Buffer.from(encodeSafetensors(new Map(changed))),
    });
    await settled('class 5: score');
    expect(await page.inputValue('#network')).toBe('toy_vgg');
    expect(await best()).toMatch(/^class 5 \(5\): 100/);

    const names = async (list: readonly string[]) =>
      page.setInputFiles('#labels', {
        name: 'names.json',
        mimeType: 'application/json',
        buffer: Buffer.from(JSON.stringify(list)),
      });
    await names(['one', 'two']);
    await settled('names.json names 2 classes, toy_vgg has 8');
    await page.selectOption('#network', 'toy_alexnet');
    await settled(': score');
    expect(await best()).toBe(own);
    await names([...'abcdefgh']);
    await settled(': score');
    expect(await best()).toMatch(/^[a-h] \(\d\): /);
    await page.selectOption('#network', 'toy_vgg');
    await settled('f: score');
    expect(await best()).toMatch(/^f \(5\): 100/);
  });

  test('every control has a label', async () => {
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLInputElement>('input, select')]
        .filter((control) => !control.labels?.length)
        .map((control) => control.id),
    );
    expect(nameless).toEqual([]);
  });

  test('it asks nobody but its own server, and has no errors of its own', () => {
    expect(foreign).toEqual([]);
    expect(chrome.problems).toEqual([]);
  });
});
