// Builds dist/ from src/: one ES module an entry point with shared chunks, shaders inlined as text, then the types.
// Needs the development dependencies only. Stale files are removed after a build that succeeded, so a failed one leaves
// the previous dist/ as it was.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

/** Name in dist/ -> source. */
const entries = {
  index: 'src/index.ts',
  node: 'src/node.ts',
  kernels: 'src/kernels/index.ts',
  net: 'src/net/index.ts',
  cam: 'src/cam/index.ts',
  eval: 'src/eval/index.ts',
  cli: 'src/cli/main.ts',
  'platform-node': 'src/gpu/platform-node.ts',
  'platform-browser': 'src/gpu/platform-browser.ts',
};

/** Compiled in, so that the library itself depends on nothing. */
const bundled = /^(wgpu-matrix|fflate)(\/|$)/;

/** Leaves every other package, `node:` and `#platform` (chosen by the "imports" of package.json) to the run. */
const externalPackages = {
  name: 'external-packages',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === 'entry-point' || /^[a-z]:[\\/]/i.test(path) || bundled.test(path)
        ? undefined
        : { path, external: true },
    );
  },
};

function fail(message) {
  process.stderr.write(`build: ${message}\n`);
  process.exit(1);
}

async function bundle() {
  const { build } = await import('esbuild').catch(() =>
    fail('esbuild is missing: run `npm ci` (with development dependencies) first'),
  );
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(
      Object.entries(entries).filter(([, source]) => existsSync(join(root, source))),
    ),
    outdir: 'dist',
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2022',
    sourcemap: true,
    loader: { '.wgsl': 'text' },
    plugins: [externalPackages],
    write: false,
    logLevel: 'warning',
  }).catch(() => fail('bundling failed, see above'));
  return outputFiles;
}

/** Paths of the declarations that `tsc` wrote. */
function declarations() {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [tsc, '-p', 'tsconfig.types.json', '--noEmitOnError', '--listEmittedFiles'],
      { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.on('close', (status) => {
      const emitted = [...output.matchAll(/^TSFILE: (.*)$/gm)].map((m) => join(m[1].trim()));
      if (status !== 0) {
        process.stderr.write(output.replace(/^TSFILE: .*\n?/gm, ''));
        fail('type errors, see above');
      }
      resolve(emitted);
    });
  });
}

const [bundles, types] = await Promise.all([bundle(), declarations()]);
for (const path of types) {
  // Such a line would pull a second copy of the WebGPU types into programs whose `lib` has them already.
  if (/^\/\/\/\s*<reference/m.test(await readFile(path, 'utf8'))) {
    fail(`${relative(root, path)} has a reference directive: users' own types would clash`);
  }
}
for (const { path, contents } of bundles) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, contents);
}
const wanted = new Set([...bundles.map((file) => file.path), ...types].map((p) => join(p)));
for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath ?? entry.path, entry.name);
  if (!entry.isDirectory() && !wanted.has(path)) await rm(path);
}
const names = bundles
  .map((file) => relative(dist, file.path))
  .filter((name) => !name.includes(sep) && name.endsWith('.js'));
process.stderr.write(`build: dist/ has ${names.join(', ')} and types of ${types.length} files\n`);
