import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { decode as fastPng } from 'fast-png';
import { describe, expect, test } from 'vitest';
import { ImageError } from '../../src/errors.js';
import { decodeImage } from '../../src/image/decode-node.js';
import { encodePng } from '../../src/image/encode-node.js';
import { sniffFormat } from '../../src/image/format.js';

interface Case {
  name: string;
  file: string;
  width: number;
  height: number;
  rgba: string;
}
const fixtures = JSON.parse(
  readFileSync(new URL('./fixtures/images.json', import.meta.url), 'utf8'),
) as { decoded: Case[]; refused: { name: string; file: string }[] };

const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
const fileOf = (name: string) => bytesOf(fixtures.decoded.find((c) => c.name === name)!.file);
const text = (s: string) => new TextEncoder().encode(s);
const latin = (s: string) => new Uint8Array(Buffer.from(s.padEnd(16, '\0'), 'latin1'));

/** The one line of the `ImageError` with which decoding fails. */
async function refusal(bytes: Uint8Array, name = 'x.png', options = {}): Promise<string> {
  const error = await decodeImage(bytes, name, options).then(
    () => expect.fail(`${name} was decoded`),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(ImageError);
  const { message } = error as ImageError;
  expect(message).toMatch(new RegExp(`^${name}: [^\n]+$`));
  return message;
}

describe('pixels are those of Pillow', () => {
  test('there are cases of every format', () => {
    for (const [kind, least] of [
      ['png', 40],
      ['jpeg', 12],
      ['webp', 5],
    ] as const) {
      expect(fixtures.decoded.filter((c) => c.name.startsWith(kind)).length).toBeGreaterThanOrEqual(
        least,
      );
    }
  });
  for (const c of fixtures.decoded) {
    test(c.name, async () => {
      const { width, height, rgba } = await decodeImage(bytesOf(c.file), c.name);
      expect([width, height]).toEqual([c.width, c.height]);
      expect(Buffer.from(rgba).equals(Buffer.from(c.rgba, 'base64'))).toBe(true);
    });
  }
});

test('many at once do not mix', async () => {
  const cases = fixtures.decoded.filter((c) => !c.name.startsWith('png'));
  const all = await Promise.all(cases.map((c) => decodeImage(bytesOf(c.file), c.name)));
  all.forEach(({ rgba }, i) => {
    expect(Buffer.from(rgba).toString('base64'), cases[i].name).toBe(cases[i].rgba);
  });
});

test('bytes that start inside their buffer are read from there', async () => {
  for (const name of ['png type 2 depth 8', 'jpeg subsampling 2', 'webp lossy']) {
    const file = fileOf(name);
    const inside = new Uint8Array(file.length + 30).fill(77);
    inside.set(file, 13);
    // A small Buffer lies in Node's shared pool, and its `slice` does not copy.
    for (const bytes of [inside.subarray(13, 13 + file.length), Buffer.from(file)]) {
      const { rgba } = await decodeImage(bytes, name);
      expect(Buffer.from(rgba).toString('base64')).toBe(
        fixtures.decoded.find((c) => c.name === name)!.rgba,
      );
    }
  }
});

describe('what is refused', () => {
  const names: [Uint8Array, string][] = [
    [bytesOf(fixtures.refused.find((f) => f.name === 'a.gif')!.file), 'a GIF image'],
    [bytesOf(fixtures.refused.find((f) => f.name === 'a.bmp')!.file), 'a BMP image'],
    [bytesOf(fixtures.refused.find((f) => f.name === 'a.tiff')!.file), 'a TIFF image'],
    [latin('\0\0\0\x18ftypheic'), 'a HEIC image'],
    [latin('\0\0\0\x1cftypavif'), 'an AVIF image'],
    [latin('\0\0\0\x1cftypisom'), 'a video (MP4 family)'],
    [latin('%PDF-1.7'), 'a PDF document'],
    [text('<!DOCTYPE html>\n<html>'), 'an HTML page'],
    [text('<?xml version="1.0"?>\n<svg xmlns="">'), 'an SVG drawing'],
    [text('just some words, naïve ones'), 'a text file'],
    [text('BM is how this text begins'), 'a text file'],
    [latin('RIFF\x10\0\0\0WAVEfmt '), 'a file of unknown format'],
    [new Uint8Array([1, 2, 3]), 'a file of unknown format'],
    [new Uint8Array(0), 'an empty file'],
  ];
  for (const [bytes, what] of names) {
    test(`${what}, by its content`, async () => {
      expect(sniffFormat(bytes)).toBe(what);
      expect(await refusal(bytes)).toBe(
        `x.png: this is ${what}; expected a PNG, JPEG or WebP image`,
      );
    });
  }

  test('CMYK and animations, by name', async () => {
    const file = (name: string) => bytesOf(fixtures.refused.find((f) => f.name === name)!.file);
    expect(await refusal(file('cmyk.jpg'))).toContain('CMYK');
    expect(await refusal(file('animated.webp'))).toContain('animated WebP');
  });

  for (const name of [
    'png type 6 depth 8',
    'png type 3 depth 4 interlaced',
    'jpeg subsampling 2',
    'jpeg progressive',
    'webp lossy',
    'webp lossless alpha',
  ]) {
    test(`${name} cut off anywhere`, async () => {
      const file = fileOf(name);
      for (let length = 12; length < file.length; length += 7) {
        expect(await refusal(file.slice(0, length)), `${length}`).toContain('truncated image');
      }
      expect(await refusal(file.slice(0, -1))).toContain('truncated image');
    });
  }

  test('a JPEG whose missing half is papered over with an end marker', async () => {
    const file = fileOf('jpeg subsampling 0');
    const cut = file.slice(0, file.length - 60);
    cut.set([0xff, 0xd9], cut.length - 2);
    expect(await refusal(cut)).toMatch(/truncated image.*premature end/i);
  });

  test('a PNG with a flipped bit in header, palette or pixels', async () => {
    const file = fileOf('png type 3 depth 8');
    for (const at of [19, 45, file.length - 30]) {
      const flipped = file.slice();
      flipped[at] ^= 4;
      expect(await refusal(flipped)).toContain('damaged image');
    }
  });

  test('a WebP whose canvas is not the size of its image', async () => {
    const file = fileOf('webp lossy alpha');
    file[24]++; // the canvas width, less 1, of the VP8X chunk
    expect(await refusal(file)).toContain('the WebP header says 22 x 18, its image 21 x 18');
  });

  test('more pixels than allowed, by the header alone', async () => {
    const huge = fileOf('png type 2 depth 8');
    new DataView(huge.buffer).setUint32(16, 65_535);
    new DataView(huge.buffer).setUint32(20, 65_535);
    expect(await refusal(huge)).toContain(
      '65535 x 65535 is 4294.8 megapixels, the limit is 100; make it smaller',
    );
    for (const name of ['jpeg grey', 'webp lossy', 'webp lossless', 'png type 0 depth 1']) {
      expect(await refusal(fileOf(name), 'x', { maxMegapixels: 1e-5 })).toContain('megapixels');
    }
  });

  test('a PNG that inflates to more than its size holds', async () => {
    const small = encodePng(new Uint8Array(12), 2, 2);
    const view = new DataView(small.buffer, small.byteOffset);
    let at = 8;
    while (view.getUint32(at + 4) !== 0x49444154) at += 12 + view.getUint32(at);
    const bomb = deflateSync(new Uint8Array(50_000_000));
    const file = new Uint8Array(at + 12 + bomb.length + 12);
    file.set(small.subarray(0, at));
    new DataView(file.buffer).setUint32(at, bomb.length);
    file.set(text('IDAT'), at + 4);
    file.set(bomb, at + 8);
    file.set(small.subarray(small.length - 12), file.length - 12);
    expect(await refusal(file)).toContain('inflates past the 14 bytes of its size');
  });
});

test('a refused file leaves the next one alone', async () => {
  const good = fixtures.decoded.find((c) => c.name === 'jpeg subsampling 2')!;
  const bad = bytesOf(good.file);
  bad.fill(0, 20, 300); // no tables left
  await refusal(bad);
  const { rgba } = await decodeImage(bytesOf(good.file), 'good');
  expect(Buffer.from(rgba).toString('base64')).toBe(good.rgba);
  expect(process.exitCode).toBeUndefined();
});

describe('encodePng', () => {
  for (const channels of [3, 4]) {
    test(`${channels} channels come back`, async () => {
      const pixels = Uint8Array.from({ length: 5 * 3 * channels }, (_, i) => (i * 37) % 256);
      const file = encodePng(pixels, 5, 3);
      const { rgba, width, height } = await decodeImage(file, 'mine');
      expect([width, height]).toEqual([5, 3]);
      for (let i = 0; i < 15; i++) {
        const colour = [...pixels.subarray(i * channels, i * channels + channels)];
        expect([...rgba.subarray(4 * i, 4 * i + 4)]).toEqual([...colour, 255].slice(0, 4));
      }
      expect([...fastPng(file).data]).toEqual([...pixels]);
    });
  }
  test('a wrong number of bytes is an error', () => {
    expect(() => encodePng(new Uint8Array(10), 2, 2)).toThrow(
      'encodePng: 10 bytes should be 2 x 2 pixels of 3 or 4',
    );
  });
});
