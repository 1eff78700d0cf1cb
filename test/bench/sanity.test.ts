import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseFlags } from '../../bench/sanity.js';
import { inWords, markdown, type SanityRow } from '../../bench/sanity-table.js';
import { between } from '../../bench/section.js';
import { methods } from '../../src/cam/registry.js';

const program = fileURLToPath(new URL('../../tools/sanity.mjs', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sanity-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const check = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });

const like = (spearman: number) => ({ spearman, ssim: 0.1, hog: 0.2 });
const row = (method: string, change: Partial<SanityRow> = {}): SanityRow => ({
  ...{ network: 'toy_vgg', method, pictures: 5, seed: 'sanity' },
  found: {
    chance: like(0.25),
    steps: [0.9, 0.7, 0.5, 0.1].map((value, i) => ({
      layer: `layer.${i}`,
      mean: like(value),
      blank: i === 3 ? 2 : 0,
    })),
    verdict: { kept: { ...like(0.61), ssim: -0.004 }, most: 'spearman', passes: false },
  },
  ...change,
});

test('a table of a network’s methods in the order given: first, middle and last step, what is kept', () => {
  const rows = [row('b'), row('a', { found: undefined, refused: 'no head' }), row('c')];
  const text = markdown(rows, ['a', 'c', 'b']);
  expect(text.split('\n').filter((line) => line.startsWith('| `'))).toEqual(
    ['c', 'b'].map(
      (name) => `| \`${name}\` | 0.25 | 0.90 | 0.70 | 0.10 | 61 | – | 0 | 20 | **fails** |`,
    ),
  );
  expect(text).toContain('5 pictures; from the output down to `layer.0`, `layer.1`');
  expect(text).toContain('Do not fit: `a`.');
  expect(text).toContain('Blank with random layers: `b` 2 of 20, `c` 2 of 20.');
  expect(inWords(rows[0])).toBe(
    'toy_vgg b: 5 pictures, rank correlation 0.90 0.70 0.50 0.10: fails',
  );
});

test('each network’s table goes between its own markers', () => {
  const markers = (name: string) => `<!-- sanity:${name}:begin -->\n<!-- sanity:${name}:end -->\n`;
  const page = `a\n${markers('x')}b\n${markers('y')}`;
  const once = between(page, 'new', 'page.md', 'sanity:y');
  expect(once).toBe(
    `a\n${markers('x')}b\n<!-- sanity:y:begin -->\n\nnew\n\n<!-- sanity:y:end -->\n`,
  );
  expect(between(once, 'new', 'page.md', 'sanity:y')).toBe(once);
  expect(() => between(page, 'new', 'page.md', 'sanity:z')).toThrow(/^page.md should hold/);
});

test('flags: every method of one pass, or those named', () => {
  const all = parseFlags([]).jobs.map(({ label }) => label);
  for (const [name, { passes }] of methods) expect(all.includes(name)).toBe(passes === 'one');
  expect(parseFlags(['--methods', 'rise:masks=9,gradient', '--images', 'a,b'])).toMatchObject({
    jobs: [{ label: 'rise:masks=9' }, { label: 'gradient' }],
    images: ['a', 'b'],
  });
});

test.each([
  [['--methods', 'gradcam'], /no method gradcam: nearest are grad-cam/],
  [['--pictures', '0'], /--pictures 0: should be a whole number from 1 to 200/],
  [['--steps', '1'], /--steps 1: should be a whole number from 2/],
  [['--what'], /--what/],
])('%j is refused in one line', (args, message) => {
  expect(() => parseFlags(args)).toThrow(message);
});

test('measures, keeps rows in a file, and goes on from there', async () => {
  const json = join(folder, 'rows.json');
  const common = ['--pictures', '1', '--network', 'toy_alexnet', '--steps', '2', '--json', json];
  const first = await check(...common, '--methods', 'grad-cam,cam');
  expect(first.stderr).toBe('');
  expect(first.code).toBe(0);
  expect(first.stdout).toMatch(
    /^toy_alexnet grad-cam: 1 pictures, rank correlation -?\d\.\d\d -?\d/,
  );
  expect(first.stdout).toMatch(/^toy_alexnet cam: does not fit: /m);
  const [measured, refused] = JSON.parse(await readFile(json, 'utf8')).rows as SanityRow[];
  expect(measured.found!.steps.map(({ layer }) => layer)).toEqual(['classifier.6', 'features.0']);
  expect(measured.found).not.toHaveProperty('verdict');
  expect(refused.found).toBeUndefined();

  const second = await check(...common, '--methods', 'grad-cam');
  expect(second.stdout).not.toMatch(/^toy_alexnet grad-cam/m);
  expect(second.stdout).toMatch(/^\| `grad-cam` \| /m);
});

test('bad files end with status 2 and one line', async () => {
  const json = join(folder, 'other.json');
  await writeFile(json, '[1]');
  expect(await check('--json', json, '--methods', 'cam')).toMatchObject({
    code: 2,
    stderr: `sanity: --json ${json}: has no rows, was not written by this command\n`,
  });
  const missing = await check('--methods', 'cam', '--images', join(folder, 'none.png'));
  expect(missing.code).toBe(2);
  expect(missing.stderr).toMatch(/^sanity: ENOENT: .*none\.png'\n$/);
});
