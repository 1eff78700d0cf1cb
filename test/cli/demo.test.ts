import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gradCam } from '../../src/cam/grad-cam.js';
import { activationsAt, type Method } from '../../src/cam/method.js';
import { methodNamed, methods } from '../../src/cam/registry.js';
import {
  slowChoices,
  slowPicture,
  transformerChoices,
  transformerName,
} from '../../src/cli/demo-choices.js';
import { drawText, textWidth, wrapText } from '../../src/cli/pixel-font.js';
import { main } from '../../src/cli/run.js';
import { LayerError } from '../../src/errors.js';
import { decodeImage } from '../../src/image/decode-node.js';
import { weightedSum } from '../../src/kernels/weighted-sum.js';

const pictures = ['cat', 'dog', 'cat-and-dog'];
const side = 160;

const top = mkdtempSync(join(tmpdir(), 'webgpu-cam-demo-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const text = { out: '', err: '' };
  const status = await main(args, {
    stdout: { write: (part) => (text.out += part) },
    stderr: { write: (part) => (text.err += part) },
  });
  return { status, ...text };
}

const decoded = async (...path: string[]) => decodeImage(readFileSync(join(...path)), path.at(-1)!);

/** Files that the whole registry should leave for a picture. */
const filesOf = (method: Method, picture: string) => {
  const { name, usesTarget, layers, passes } = method;
  const choice = slowChoices[name];
  if ((choice || passes === 'many' || method.suits) && picture !== slowPicture) return [];
  const classes = choice?.classes ?? ['cat', 'dog'];
  return [name, ...(layers === 'many' && !choice ? [`${name}-fused`] : [])].flatMap((stem) =>
    usesTarget ? classes.map((label) => `${stem}.${label}.png`) : [`${stem}.png`],
  );
};
const wrapped = Object.keys(slowChoices).filter((name) => !methods.has(name));
const onTransformer = (picture: string) =>
  picture !== slowPicture
    ? []
    : Object.entries(transformerChoices).flatMap(([name, { classes = ['cat', 'dog'] }]) =>
        classes.map((label) => `${name}.${transformerName}.${label}.png`),
      );
const expectedOf = (picture: string) => [
  ...[...methods.values(), ...wrapped.map(methodNamed)].flatMap((m) => filesOf(m, picture)),
  ...onTransformer(picture),
];

describe('webgpu-cam demo with all methods', () => {
  const folder = join(top, 'all');
  let told: Awaited<ReturnType<typeof run>>;
  let html: string;
  /** The page without its pictures: short enough to be shown when a test fails. */
  let rest: string;

  beforeAll(async () => {
    told = await run('demo', '--output-dir', folder);
    html = readFileSync(join(folder, 'index.html'), 'utf8');
    rest = html.replace(/"data:image\/png;base64,[A-Za-z0-9+/=]+"/g, '""');
  }, 600_000);

  test('ends with one line that says where', () => {
    expect(told.status).toBe(0);
    const maps = pictures.flatMap(expectedOf).length;
    expect(told.out).toMatch(new RegExp(`^${maps} maps in [\\d.]+ s: open .*\n$`));
    expect(told.out).toContain(join(folder, 'index.html'));
    expect(told.out).toContain(join(folder, 'contact-sheet.png'));
    expect(told.err).toMatch(/^(webgpu-cam: computing on a software adapter .*\n)?$/);
  });

  test('leaves a map of each picture, method and class, and nothing else', () => {
    expect(readdirSync(folder).sort()).toEqual(
      [...pictures, 'contact-sheet.png', 'index.html'].sort(),
    );
    for (const picture of pictures) {
      expect(readdirSync(join(folder, picture)).sort()).toEqual(
        [...expectedOf(picture), 'photo.png'].sort(),
      );
    }
  });

  test('the overlays are pictures, are not the photo, and tell the classes apart', async () => {
    for (const picture of pictures) {
      const photo = await decoded(folder, picture, 'photo.png');
      const expected = expectedOf(picture);
      for (const file of expected) {
        const { width, height, rgba } = await decoded(folder, picture, file);
        expect([width, height], file).toEqual([side, side]);
        expect(Buffer.compare(rgba, photo.rgba), `${picture}/${file}`).not.toBe(0);
      }
      const both = expected.filter((name) => expected.includes(name.replace('.cat.', '.dog.')));
      for (const file of both.filter((name) => name.endsWith('.cat.png'))) {
        const [one, other] = [file, file.replace('.cat.', '.dog.')].map((name) =>
          readFileSync(join(folder, picture, name)),
        );
        expect(one.equals(other), `${picture}/${file}`).toBe(false);
      }
    }
  });

  test('an overlay is what explain draws of that picture alone', async () => {
    const photo = join(folder, 'cat-and-dog', 'photo.png');
    const results = join(top, 'alone');
    const flags = ['--class-id', '1', '--output-dir', results];
    expect((await run('explain', photo, ...flags)).status).toBe(0);
    const alone = await decoded(results, 'photo', 'grad-cam.png');
    const { rgba } = await decoded(folder, 'cat-and-dog', 'grad-cam.dog.png');
    // A batch may sum in another order; one step of the colour table is up to 4 levels, half of it shows.
    const furthest = alone.rgba.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - rgba[i])),
      0,
    );
    expect(furthest).toBeLessThan(5);
  });

  test('the contact sheet holds every picture and map, on white', async () => {
    const { width, height, rgba } = await decoded(folder, 'contact-sheet.png');
    expect(width).toBeLessThan(1600);
    const quick = [...methods.values()].filter((m) => filesOf(m, 'cat').length > 0);
    expect(height).toBeGreaterThan(quick.length * side);
    expect(readFileSync(join(folder, 'contact-sheet.png')).length).toBeLessThan(8e6);
    for (const corner of [0, width - 1, (height - 1) * width, height * width - 1]) {
      expect([...rgba.subarray(4 * corner, 4 * corner + 4)]).toEqual([255, 255, 255, 255]);
    }
    const sheet = Buffer.from(rgba.buffer, rgba.byteOffset, rgba.byteLength);
    for (const picture of pictures) {
      for (const file of [...expectedOf(picture), 'photo.png']) {
        const map = await decoded(folder, picture, file);
        for (const y of [0, 80, 159]) {
          const row = Buffer.from(map.rgba.subarray(4 * side * y, 4 * side * (y + 1)));
          expect(sheet.includes(row), `${picture}/${file} row ${y}`).toBe(true);
        }
      }
    }
  });

  test('the page needs nothing but itself', () => {
    expect(html.length).toBeLessThan(15e6);
    expect(rest.length).toBeLessThan(60_000);
    expect(rest).not.toMatch(/https?:|file:|\/\/|url\(|@import|<script|<link|<iframe| on\w+=/i);
    expect(rest).not.toMatch(/(src|href|srcset)="[^"]/);
    expect(rest).toContain('color-scheme: light dark');
  });

  test('the page shows every picture and map with a text in its place', () => {
    const images = [
      ...html.matchAll(/<img src="data:image\/png;base64,([^"]+)"[^>]* alt="([^"]+)"/g),
    ];
    expect(images).toHaveLength(html.split('<img').length - 1);
    const shown = new Set(images.map(([, data]) => data));
    for (const picture of pictures) {
      for (const file of [...expectedOf(picture), 'photo.png']) {
        const bytes = readFileSync(join(folder, picture, file));
        expect(shown.has(bytes.toString('base64')), `${picture}/${file}`).toBe(true);
      }
    }
    expect(new Set(images.map(([, , alt]) => alt)).size).toBe(images.length);
  });

  test('the page names methods, papers and what the network says', () => {
    const plain = rest.replaceAll('&quot;', '"').replaceAll('&amp;', '&');
    for (const { title, paper, suits } of [...methods.values(), ...wrapped.map(methodNamed)]) {
      const where = suits ? ` (${transformerName})` : '';
      expect(plain).toContain(`>${title}${where}<small>${paper}</small>`);
    }
    for (const [, { options = {} }] of Object.entries(slowChoices)) {
      for (const [option, value] of Object.entries(options)) {
        expect(plain).toMatch(new RegExp(`<small>(\\w+=[\\w.]+, )*${option}=${value}\\b`));
      }
    }
    const tops = [...rest.matchAll(/<table class="top5">.*?<tbody>(.*?)<\/tbody>/gs)];
    expect(tops.map(([, body]) => body.split('<tr>').length - 1)).toEqual([5, 5, 5]);
    const best = tops.map(([, body]) => body.match(/scope="row"[^>]*>(\w+)</)![1]);
    expect(best.slice(0, 2)).toEqual(['cat', 'dog']);
    expect(['cat', 'dog']).toContain(best[2]);
    expect(rest).not.toMatch(/undefined|NaN|\[object/);
  });
});

describe('webgpu-cam demo with methods that go wrong', () => {
  const folder = join(top, 'odd');
  const registry = methods as Map<string, Method>;
  const all = [...registry];
  const blank: Method = {
    ...gradCam,
    name: 'blank',
    title: 'Blank <map>',
    record: ({ recorder, trace, layers: [layer] }) => {
      const x = activationsAt(trace, layer);
      const [N, K] = x.shape;
      return recorder.k(weightedSum, { x, w: recorder.constant(new Float32Array(N * K), [N, K]) });
    },
  };
  const refusing: Method = {
    ...gradCam,
    name: 'refusing',
    record: () => {
      throw new LayerError('refusing: this network has no such thing');
    },
  };
  let told: Awaited<ReturnType<typeof run>>;

  beforeAll(async () => {
    registry.clear();
    for (const method of [gradCam, blank, refusing]) registry.set(method.name, method);
    told = await run('demo', '--output-dir', folder, '--json');
  }, 300_000);
  afterAll(() => {
    registry.clear();
    for (const [name, method] of all) registry.set(name, method);
  });

  test('--json prints one document that names files, scores and reasons', () => {
    expect(told.status).toBe(0);
    const report = JSON.parse(told.out);
    expect(report.network).toBe('toy_vgg');
    expect(report.page).toBe(join(folder, 'index.html'));
    expect(report.pictures.map(({ name }: { name: string }) => name)).toEqual(pictures);
    expect(report.pictures[0].top5).toHaveLength(5);
    const windowed = (method: string) => method === 'enhanced-grad-cam';
    const own = report.results.filter(
      (r: { method: string; network: string }) =>
        !windowed(r.method) && r.network !== transformerName,
    );
    expect(own).toHaveLength(2 * 2 * pictures.length);
    // By sliding window, and on the transformer, a map of each class.
    expect(report.results).toHaveLength(own.length + 2 + 2);
    for (const { method, file, warnings, score, classId, label } of report.results) {
      expect(readFileSync(file).length).toBeGreaterThan(1000);
      expect(Number.isFinite(score)).toBe(true);
      expect(['cat', 'dog'][classId]).toBe(label);
      expect(warnings).toHaveLength(method === 'blank' ? 1 : 0);
    }
    expect(report.refused).toEqual([
      { network: 'toy_vgg', method: 'refusing', why: 'refusing: this network has no such thing' },
    ]);
  });

  test('a map that shows nothing is crossed out and says why', async () => {
    const html = readFileSync(join(folder, 'index.html'), 'utf8');
    expect(html.split('alt="No map: Blank &lt;map&gt;')).toHaveLength(1 + 6);
    expect(html.match(/<small>the raw map is all zero: /g)).toHaveLength(6);
    const { rgba } = await decoded(folder, 'cat', 'blank.cat.png');
    expect([...rgba.subarray(0, 3)]).toEqual([220, 0, 0]);
  });

  test('a method that does not fit the network is named with the reason', () => {
    const html = readFileSync(join(folder, 'index.html'), 'utf8');
    expect(html).toContain('Does not apply: refusing: this network has no such thing');
    expect(readdirSync(join(folder, 'cat')).sort()).toEqual([
      'blank.cat.png',
      'blank.dog.png',
      'grad-cam.cat.png',
      'grad-cam.dog.png',
      'photo.png',
    ]);
  });
});

test('an output folder that cannot be made is refused in one line before anything is computed', async () => {
  const file = join(top, 'file');
  writeFileSync(file, '');
  const { status, out, err } = await run('demo', '--output-dir', join(file, 'below'));
  expect(status).toBe(2);
  expect(out).toBe('');
  expect(err).toMatch(/^webgpu-cam: .*cannot be written: .* is a file, not a folder\n$/);
});

describe('the pixel font', () => {
  const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));
  const drawn = (text: string, scale = 1) => {
    const dots: string[] = [];
    drawText(text, 0, 0, scale, (x, y) => dots.push(`${x},${y}`));
    return dots;
  };

  test('has a glyph of its own for every printable character', () => {
    const seen = new Set(printable.map((character) => drawn(character).join(' ')));
    expect(seen.size).toBe(95);
    expect(drawn(' ')).toEqual([]);
    expect(seen).not.toContain(drawn('é').join(' '));
    expect(drawn('é')).toEqual(drawn('\t'));
  });

  test('stays in its box at every scale', () => {
    for (const scale of [1, 2, 3]) {
      for (const dot of drawn(printable.join(''), scale)) {
        const [x, y] = dot.split(',').map(Number);
        expect(x % (6 * scale)).toBeLessThan(5 * scale);
        expect(y).toBeLessThan(9 * scale);
      }
      expect(drawn('E', scale)).toHaveLength(18 * scale * scale);
    }
    expect(textWidth('ab', 2)).toBe(22);
    expect(textWidth('', 2)).toBe(0);
  });

  test('wraps at blanks, and within words that are too long', () => {
    const width = textWidth('12345678', 1);
    expect(wrapText('one two three  four', width, 1)).toEqual(['one two', 'three', 'four']);
    expect(wrapText('a 1234567890', width, 1)).toEqual(['a', '12345678', '90']);
    expect(wrapText('12345678', width - 1, 1)).toEqual(['1234567', '8']);
    expect(wrapText('', width, 1)).toEqual([]);
  });
});
