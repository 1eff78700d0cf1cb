import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseFlags } from '../../bench/localisation.js';
import { type LocalisationRow, markdown } from '../../bench/localisation-table.js';
import { between } from '../../bench/section.js';
import { methods } from '../../src/cam/registry.js';

const program = fileURLToPath(new URL('../../tools/localisation.mjs', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'localisation-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const localisation = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });

const score = { maps: 2, energy: 0.5, points: 1, blank: 0 };
const row = (method: string, change: Partial<LocalisationRow> = {}): LocalisationRow => ({
  network: 'toy_vgg',
  method,
  adapter: 'an adapter',
  pictures: { one: 2, two: 1 },
  found: { one: score, two: { ...score, energyOfBoth: 0.75, blank: 1 }, msPerMap: 12.34 },
  ...change,
});
const even = { one: 0.2, two: 0.1 };

test('a table for each network, methods in the order given, dashes where one does not fit', () => {
  const refused = row('cam', { network: 'toy_alexnet', found: undefined, refused: 'no head' });
  const rows = [row('b'), refused, row('a')];
  const text = markdown(rows, ['toy_vgg', 'toy_alexnet', 'other'], ['a', 'b', 'cam'], even);
  expect(text.split('\n').filter((line) => /^(#|\| `|Blank)/.test(line))).toEqual([
    '### On toy_vgg',
    '| `a` | 2 + 1 | 50.0 | 100.0 | 50.0 | 75.0 | 100.0 | 12 |',
    '| `b` | 2 + 1 | 50.0 | 100.0 | 50.0 | 75.0 | 100.0 | 12 |',
    'Blank or refused: `b` 1 of 4, `a` 1 of 4.',
    '### On toy_alexnet',
    '| `cam` | – | – | – | – | – | – | – |',
  ]);
  expect(text).toContain('an even map has 20.0 with one animal in the picture and 10.0 with two');
  expect(text).toContain('on an adapter.');
});

test('times of several adapters say which they are from', () => {
  const rows = [row('a'), row('b', { adapter: 'another' })];
  const text = markdown(rows, ['toy_vgg'], ['a', 'b'], even);
  expect(text).toContain('on an adapter¹, another².');
  expect(text).toContain('| `a` | 2 + 1 | 50.0 | 100.0 | 50.0 | 75.0 | 100.0 | 12¹ |');
  expect(text).toContain('| `b` | 2 + 1 | 50.0 | 100.0 | 50.0 | 75.0 | 100.0 | 12² |');
});

test('the table goes between the markers of a page, again and again', () => {
  const page = 'a\n<!-- localisation:begin -->\nold\n<!-- localisation:end -->\nb\n';
  const once = between(page, 'new', 'page.md', 'localisation');
  expect(once).toBe('a\n<!-- localisation:begin -->\n\nnew\n\n<!-- localisation:end -->\nb\n');
  expect(between(once, 'new', 'page.md', 'localisation')).toBe(once);
  expect(() => between('nothing', 'new', 'page.md', 'localisation')).toThrow(
    /^page.md should hold/,
  );
});

test('flags: every method of the registry, or those named, with options', () => {
  const all = parseFlags([]).jobs.map(({ label }) => label);
  for (const name of methods.keys()) {
    expect(
      all.some((label) => label === name || label.startsWith(`${name}:`)),
      name,
    ).toBe(true);
  }
  expect(all).toContain('enhanced-grad-cam');
  expect(parseFlags(['--methods', 'cam,layer-cam:fuse=mean,gamma=1']).jobs).toMatchObject([
    { label: 'cam', options: {} },
    { label: 'layer-cam:fuse=mean,gamma=1', options: { fuse: 'mean', gamma: '1' } },
  ]);
});

test.each([
  [['--methods', 'gradcam'], /no method gradcam: nearest are grad-cam/],
  [['--methods', 'grad-cam:colour=red'], /no option colour/],
  [['--network', 'vgg16'], /--network vgg16: should be toy_vgg or toy_alexnet or toy_vit/],
  [['--pictures', '0'], /--pictures 0: should be a whole number from 1 to 200/],
  [['--pictures', '201'], /should be a whole number from 1 to 200/],
  [['--what'], /--what/],
  [['--tune', 'often'], /^--tune often: should be never or first-use or full$/],
])('%j is refused in one line', (args, message) => {
  expect(() => parseFlags(args)).toThrow(message);
});

test('measures, keeps rows in a file, and goes on from there', async () => {
  const json = join(folder, 'rows.json');
  const rows = async () => JSON.parse(await readFile(json, 'utf8')).rows as LocalisationRow[];
  const common = ['--pictures', '1', '--network', 'toy_alexnet', '--json', json];

  const first = await localisation(...common, '--methods', 'grad-cam,cam');
  expect(first.stderr).toBe('');
  expect(first.code).toBe(0);
  expect(first.stdout).toMatch(/^toy_alexnet grad-cam: 1 of one animal: energy \d+\.\d %/);
  expect(first.stdout).toMatch(/^toy_alexnet cam: does not fit: /m);
  expect(first.stdout).toMatch(/^\| `cam` \| – /m);
  const [measured, refused] = await rows();
  expect(measured.found!.two).toMatchObject({ maps: 2, blank: 0 });
  expect(refused.found).toBeUndefined();

  const second = await localisation(...common, '--methods', 'grad-cam,hires-cam');
  expect(second.code).toBe(0);
  expect(second.stdout).toMatch(/^toy_alexnet hires-cam: /);
  expect(second.stdout).not.toMatch(/^toy_alexnet grad-cam: /m);
  expect((await rows()).map(({ method }) => method)).toEqual(['grad-cam', 'cam', 'hires-cam']);
  expect((await rows())[0]).toEqual(measured);
  // The table has all rows at hand.
  expect(second.stdout.match(/^\| `/gm)).toHaveLength(3);

  // A row of another device stays: heat lies where it lies, and its time is marked.
  const elsewhere = (await rows()).map((row) => ({ ...row, adapter: 'another' }));
  await writeFile(json, JSON.stringify({ rows: elsewhere }));
  const third = await localisation(...common, '--methods', 'grad-cam');
  expect(third.stdout).not.toMatch(/^toy_alexnet grad-cam: /m);
  expect(third.stdout).toMatch(/on another\./);

  // Fewer pictures than are asked for do not do.
  const more = [...common, '--methods', 'grad-cam'].with(1, '2');
  expect((await localisation(...more)).stdout).toMatch(/^toy_alexnet grad-cam: 2 of one/);
  expect((await rows())[0].pictures).toEqual({ one: 2, two: 1 });
});

test('a file that is none of its own is left alone', async () => {
  const json = join(folder, 'other.json');
  await writeFile(json, '[1]');
  const { code, stderr } = await localisation('--json', json, '--methods', 'cam');
  expect([code, stderr]).toEqual([
    2,
    `localisation: --json ${json}: has no rows, was not written by this command\n`,
  ]);
  expect(await readFile(json, 'utf8')).toBe('[1]');
});
