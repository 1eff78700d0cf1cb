import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { methodNamed, methods, wrappers } from '../../src/cam/registry.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const text = (path: string) => readFileSync(join(root, path), 'utf8');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'models/README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const files = ['src', 'app', 'bench', 'bin', 'shaders', 'tools', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(
    (name) => `${folder}/${name.replaceAll('\\', '/')}`,
  ),
);
const sources = files
  .filter((path) => /^(src|app|tools|test\/support)\/.*\.(ts|mjs)$/.test(path))
  .map(text)
  .join('\n');
/** What `npm run new` would make. */
const isExample = (name: string) => /conv1d|my[-_]/.test(name);

/** As GitHub makes a heading's anchor. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
const anchorsOf = (page: string) => [...page.matchAll(/^#+ (.+)$/gm)].map(([, h]) => anchor(h));

for (const page of pages) {
  const content = text(page);

  test(`${page}: links lead somewhere`, () => {
    for (const [, target] of content.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path, fragment] = target.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      expect(existsSync(join(root, file)), `${target} is there`).toBe(true);
      if (fragment) expect(anchorsOf(text(file)), target).toContain(fragment);
    }
  });

  test(`${page}: files, functions and scripts that it names are there`, () => {
    const paths = content.matchAll(/`((?:src|shaders|tools|test|app|bench|models)\/[\w./-]*)`/g);
    for (const [, path] of paths) {
      if (!isExample(path)) expect(existsSync(join(root, path)), path).toBe(true);
    }
    for (const [, name] of content.matchAll(/`([\w/-]+\.(?:ts|mjs|wgsl|py))`/g)) {
      const found = isExample(name) || files.some((path) => `/${path}`.endsWith(`/${name}`));
      expect(found, `a file ${name}`).toBe(true);
    }
    for (const [, name] of content.matchAll(/`(?:\w+\.)?(\w+)\([^`]*\)`/g)) {
      expect(new RegExp(`\\b${name}\\b`).test(sources), `${name}()`).toBe(true);
    }
    const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };
    for (const [, script] of content.matchAll(/npm run ([\w:-]+)/g)) {
      expect(Object.keys(scripts)).toContain(script);
    }
  });
}

test('docs/methods.md has a row for each method, its options and their defaults', () => {
  const rows = text('docs/methods.md').split('\n');
  for (const { name, options } of methods.values()) {
    const row = rows.find((line) => line.startsWith(`| \`${name}\` |`));
    expect(row, name).toBeDefined();
    for (const [option, spec] of Object.entries(options)) {
      const value = String(spec.default);
      expect(row, `${name}: ${option}`).toMatch(
        new RegExp(`\`${option}\` = \`?${value.replace(/\W/g, '\\$&')}\\b`),
      );
      for (const choice of spec.choices ?? []) expect(row).toContain(choice);
    }
  }
});

test('docs/methods.md has each preset, and each wrapper with its options and their defaults', () => {
  const rows = text('docs/methods.md').split('\n');
  for (const { name, presets = {} } of methods.values()) {
    for (const [preset, values] of Object.entries(presets)) {
      const row = rows.find((line) => line.startsWith(`| \`${name}\` | \`${preset}\` |`));
      expect(row, `${name}: ${preset}`).toBeDefined();
      // One that is as another says so instead.
      if (row!.includes('as `')) continue;
      for (const [option, value] of Object.entries(values)) {
        expect(row).toContain(`${option}=${value}`);
      }
    }
  }
  for (const prefix of wrappers.keys()) {
    const row = rows.find((line) => line.startsWith(`| \`${prefix}-<method>\``));
    expect(row, prefix).toBeDefined();
    for (const [option, spec] of Object.entries(methodNamed(`${prefix}-grad-cam`).options)) {
      expect(row).toMatch(new RegExp(`\`${option}\` = \`?${spec.default}\\b`));
    }
  }
});
