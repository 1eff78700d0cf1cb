import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'webgpu-cam-new-'));
  for (const part of ['src', 'shaders', 'test/support', 'test/golden']) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  for (const file of ['package.json', 'tsconfig.json', 'biome.json', 'vitest.config.ts']) {
    cpSync(join(root, file), join(copy, file));
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

const run = (script: string, ...args: string[]) =>
  spawnSync(process.execPath, [script, ...args], {
    cwd: copy,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
  });
const make = (...args: string[]) => run(join(root, 'tools/new.mjs'), '--root', copy, ...args);

const made = [
  'src/kernels/my-conv1d.ts',
  'test/kernels/my-conv1d.test.ts',
  'src/cam/my-own-cam.ts',
  'src/net/zoo/my-net-v2.ts',
];

test('the templates are copied with the names filled in', () => {
  const kernel = make('kernel', 'my-conv1d', 'conv');
  expect(kernel.stderr).toBe('');
  expect(kernel.stdout).toContain('wrote shaders/conv/my-conv1d.wgsl');
  expect(kernel.stdout).toContain("src/kernels/index.ts: export * from './my-conv1d.js';");
  expect(make('method', 'my-own-cam').status).toBe(0);
  expect(make('network', 'my_net_v2').status).toBe(0);
  for (const path of [...made, 'shaders/conv/my-conv1d.wgsl']) {
    expect(readFileSync(join(copy, path), 'utf8')).not.toMatch(/template/i);
  }
  expect(readFileSync(join(copy, made[2]), 'utf8')).toContain("title: 'My Own Cam'");
  expect(readFileSync(join(copy, made[3]), 'utf8')).toContain("name: 'my_net_v2'");
});

test('what was made has no type errors', () => {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(copy, 'tsconfig.json'),
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => expect.fail('tsconfig.json') },
  );
  const paths = made.map((path) => join(copy, path));
  const program = ts.createProgram([...paths, join(copy, 'src/wgsl.d.ts')], config!.options);
  for (const path of paths) {
    const source = program.getSourceFile(path.replaceAll('\\', '/'));
    const errors = [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ].map((error) => ts.flattenDiagnosticMessageText(error.messageText, '\n'));
    expect(source, path).toBeDefined();
    expect(errors, path).toEqual([]);
  }
});

test('a new kernel passes the test it comes with', () => {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const { status, stdout, stderr } = run(vitest, 'run', 'test/kernels/my-conv1d.test.ts');
  expect(status, `${stdout}\n${stderr}`).toBe(0);
  expect(stdout).toMatch(/Tests\s+6 passed/);
});

test('nothing is overwritten, and bad names get one clear line', () => {
  const before = readFileSync(join(copy, made[0]), 'utf8');
  const cases: [string[], string][] = [
    [['kernel', 'my-conv1d'], 'is there already: choose another name'],
    [['kernel', 'Conv1D'], 'Conv1D should be small letters, digits and hyphens'],
    [['kernel', '../x'], '../x should be small letters'],
    [['kernel', 'x', 'nowhere'], 'shaders/nowhere/ is no folder of shaders'],
    [['kernel', 'delete'], 'delete cannot be used'],
    [['method', 'my_cam'], 'my_cam should be small letters, digits and hyphens'],
    [['method', 'a', 'b'], 'b is one word too many'],
    [['network', 'my-net'], 'my-net should be small letters, digits and _'],
    [['network'], 'a name for the network is missing'],
    [['toy', 'x'], 'toy should be kernel, method or network'],
    [[], 'say kernel, method or network'],
    [['--what'], "Unknown option '--what'"],
  ];
  for (const [args, line] of cases) {
    const { status, stdout, stderr } = make(...args);
    expect(stderr, args.join(' ')).toContain(line);
    expect(stderr).toMatch(/^new: [^\n]*\n$/);
    expect(stdout).toBe('');
    expect(status).toBe(2);
  }
  expect(readFileSync(join(copy, made[0]), 'utf8')).toBe(before);
});
