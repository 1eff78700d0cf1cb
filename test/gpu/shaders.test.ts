import { readdirSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { create } from 'webgpu';
import { type Caps, capsOf, subgroupMatrix } from '../../src/gpu/caps.js';
import type { DispatchPlan } from '../../src/gpu/dispatch.js';
import { Pipelines } from '../../src/gpu/pipelines.js';
import { usage } from '../../src/gpu/usage.js';
import { conv2d } from '../../src/kernels/conv2d.js';
import { type AnyKernel, asF16 } from '../../src/kernels/kernel.js';
import { maskedConv2d } from '../../src/kernels/masked-conv2d.js';
import { recordLinear } from '../../src/kernels/record-all.js';
import { allKernels } from '../support/all-kernels.js';
import { casesOf, type KernelCase, variantsOf } from '../support/kernel-cases.js';

// Dawn's null backend compiles and validates everything and runs nothing: no driver is needed.
const dawn = create(['backend=null']);
const adapter = (await dawn.requestAdapter())!;
const device = await adapter.requestDevice({ requiredFeatures: [...adapter.features] as never });
// Experimental features are behind a switch that is off for all other shaders.
const unsafe = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
const unsafeDevice = await (await unsafe.requestAdapter())!.requestDevice({
  requiredFeatures: [...adapter.features, subgroupMatrix] as never,
});
afterAll(() => {
  device.destroy();
  unsafeDevice.destroy();
  void [dawn, unsafe]; // kept alive for as long as the devices
});
const deviceFor = (code: string) =>
  /^enable chromium_experimental/m.test(code) ? unsafeDevice : device;

const root = fileURLToPath(new URL('../../', import.meta.url));
const files = (folder: string, ext: string): string[] =>
  readdirSync(`${root}${folder}`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ext))
    .map((entry) =>
      relative(root, `${entry.parentPath ?? entry.path}/${entry.name}`).replaceAll('\\', '/'),
    )
    .sort();
const text = (path: string) => readFileSync(`${root}${path}`, 'utf8');
const shaders = files('shaders', '.wgsl').map((path) => ({ path, code: text(path) }));
const alias = 'alias elem = f32;';
/** Code without comments: what is said in one is no declaration. */
const bare = (code: string) => code.replace(/\/\/.*$/gm, '').replace(/\/\*[\s\S]*?\*\//g, '');

interface Declared {
  readonly binding: number;
  readonly access: string;
  readonly name: string;
  readonly type: string;
}
const bindingsOf = (code: string): Declared[] =>
  [
    ...bare(code).matchAll(
      /@group\((\d+)\)\s*@binding\((\d+)\)\s*var<\s*storage\s*(?:,\s*(\w+)\s*)?>\s*(\w+)\s*:\s*([^;]+);/g,
    ),
  ].map((m) => ({ binding: Number(m[2]), access: m[3] ?? 'read', name: m[4], type: m[5].trim() }));

const overridesOf = (code: string) =>
  [...bare(code).matchAll(/\boverride\s+(\w+)\s*(?::\s*\w+\s*)?(=)?/g)].map((m) => ({
    name: m[1],
    hasDefault: m[2] !== undefined,
  }));

async function compilerErrors(code: string): Promise<string[]> {
  const device = deviceFor(code);
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  await device.popErrorScope();
  return messages.filter((m) => m.type === 'error').map((m) => `${m.lineNum}: ${m.message}`);
}

test('a host records f16 tensors, of half the bytes, on a device that has them', async () => {
  const flags = usage.storage | usage.copyDst;
  const buffer = (elements: number) => device.createBuffer({ size: 2 * elements, usage: flags });
  const args = {
    device,
    storage: 'f16',
    x: { buffer: buffer(64), shape: [2, 32] },
    w: { buffer: buffer(96), shape: [3, 32] },
    y: { buffer: buffer(6) },
  } as const;
  device.pushErrorScope('validation');
  await recordLinear.prepare(args);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  const plan = recordLinear(pass, args);
  pass.end();
  encoder.finish();
  expect(await device.popErrorScope()).toBeNull();
  expect(plan.bytes).toBe(2 * (64 + 96 + 6));
});

test('there are shaders and kernels', () => {
  expect(shaders.length).toBeGreaterThan(30);
  expect(allKernels.length).toBeGreaterThan(30);
  expect(adapter.features.has('shader-f16')).toBe(true);
});

for (const { path, code } of shaders) {
  test(`${path} compiles by itself as f32 and f16`, async () => {
    expect(await compilerErrors(code)).toEqual([]);
    if (code.includes(alias)) {
      expect(await compilerErrors(asF16(code))).toEqual([]);
      const first = bare(code).match(/\b(?:alias|override|const|var|struct|fn)\b[^\n]*/)?.[0];
      expect(first?.trim()).toBe(alias);
    } else {
      // Only shaders without floats to load or store may do without it.
      expect(bindingsOf(code).filter((b) => /\bf32\b/.test(b.type))).toEqual([]);
    }
  });

  test(`${path} says what it is, and declares nothing in vain`, () => {
    const file = path.slice(path.lastIndexOf('/') + 1, -'.wgsl'.length).replaceAll('-', '');
    const users = allKernels.filter((k) => k.spec.variants.some((v) => v.code === code));
    const names = [file, ...users.map((k) => k.name)].map((name) => name.toLowerCase());
    const [, said] = code.match(/^\/\/ (\w+(?:, \w+)*)(?: \([^)]*\))?: \S.*\n/) ?? [];
    expect(said, 'first line: `// name: what it computes`').toBeDefined();
    for (const name of said.split(', ')) expect(names).toContain(name.toLowerCase());
    expect(code.split('\n').slice(0, 6).join('\n')).toMatch(/->/);
    for (const { name } of overridesOf(code)) {
      const uses = bare(code).match(new RegExp(`\\b${name}\\b`, 'g'))?.length ?? 0;
      expect(uses, `override ${name} is declared and not used`).toBeGreaterThan(1);
    }
    expect(code).not.toMatch(/\b(TODO|FIXME)\b(?!.*#\d)/);
  });

  test(`${path} belongs to a kernel`, () => {
    const users = allKernels.filter((k) => k.spec.variants.some((v) => v.code === code));
    expect(users.map((k) => k.name)).not.toEqual([]);
  });
}

/** Caps under which every variant may be planned. */
const all: Caps = {
  ...capsOf(unsafeDevice, undefined),
  matrices: [8, 16].flatMap((side) =>
    ['f32', 'f16'].map((componentType) => ({
      ...{ M: side, N: side, K: side, componentType, resultComponentType: 'f32' },
    })),
  ),
};
const caps: Record<Caps['kind'], Caps> = {
  gpu: { ...all, kind: 'gpu' },
  software: { ...all, kind: 'software' },
};

/** All ways to plan a kernel: each case on each kind of adapter with each variant that can compute it, with elements of 32 bits and of 16. */
function plansOf(kernel: AnyKernel): { c: KernelCase; plan: DispatchPlan; half: DispatchPlan }[] {
  return casesOf(kernel).flatMap((c) =>
    (['gpu', 'software'] as const).flatMap((kind) =>
      variantsOf(c, caps[kind]).map((variant) => {
        const settings = { caps: caps[kind], variant };
        return {
          c,
          plan: kernel.plan(c.reads, c.options, settings),
          half: kernel.plan(c.reads, c.options, { ...settings, storage: 'f16' }),
        };
      }),
    ),
  );
}

test('kernel names are unique', () => {
  const names = allKernels.map((k) => k.name);
  expect(new Set(names).size).toBe(names.length);
});

for (const kernel of allKernels) {
  test(`${kernel.name}: shaders, bindings and overrides agree with the spec`, async () => {
    const plans = plansOf(kernel);
    const reached = new Set(plans.map(({ plan }) => plan.variant));
    const missed = kernel.spec.variants.filter((v) => !reached.has(v.name)).map((v) => v.name);
    expect(missed, 'variants that no case of kernel-cases.ts reaches').toEqual([]);
    for (const { c, plan, half } of plans) {
      checkBindings(plan);
      checkOverrides(kernel, plan, c);
      await checkPipelines(plan);
      if (!plan.code.includes(alias)) continue;
      checkBindings(half);
      expect(half.code).toBe(asF16(plan.code));
      await checkPipelines(half);
    }
  });
}

function checkBindings(plan: DispatchPlan) {
  const declared = bindingsOf(plan.code);
  expect(declared.map((b) => b.binding)).toEqual(plan.bindings.map((_, i) => i));
  expect(declared.map((b) => b.name)).toEqual(plan.bindings.map((b) => b.name));
  expect(declared.map((b) => b.access)).toEqual(
    plan.bindings.map((b) => (b.access === 'read' ? 'read' : 'read_write')),
  );
  // Where elements have 16 bits, all that are declared as such have, and no others.
  const isHalf = !plan.code.includes(alias);
  const floats = isHalf ? /^(?!.*\belem\b).*\b(f32|vec\df)\b/ : /\b(elem|f32)\b/;
  plan.bindings.forEach(({ dtype, name }, i) => {
    const element =
      dtype === 'f32' ? floats : dtype === 'f16' ? /\belem\b/ : new RegExp(`\\b${dtype}\\b`);
    expect(declared[i].type, `${plan.kernel}: ${name} is ${dtype}`).toMatch(element);
  });
  expect(plan.bindings.length).toBeLessThanOrEqual(8);
}

function checkOverrides(kernel: AnyKernel, plan: DispatchPlan, c: KernelCase) {
  const declared = overridesOf(plan.code);
  const missing = declared.filter((o) => !o.hasDefault && !(o.name in plan.constants));
  expect(missing, `${plan.kernel} ${plan.variant}: overrides without a value`).toEqual([]);
  for (const [name, value] of Object.entries(plan.constants)) {
    // A fraction given for a u32 passes silently.
    const isFloat = new RegExp(`override\\s+${name}\\s*(:\\s*f32|=\\s*[\\d.]*\\.)`).test(plan.code);
    if (!isFloat) expect(Number.isInteger(value), `${plan.kernel}: ${name} = ${value}`).toBe(true);
  }
  const [variantName, setting = '0'] = plan.variant.split('#');
  const variant = kernel.spec.variants.find((v) => v.name === variantName)!;
  const { sizes } = kernel.plan(c.reads, c.options, { variant: plan.variant, caps: caps.gpu });
  const tunings = variant.tunings?.(sizes, caps.gpu) ?? [variant.tuning?.(sizes, caps.gpu) ?? {}];
  const tuned = Object.keys(tunings[Number(setting)]);
  const names = declared.map((o) => o.name);
  const unheard = tuned.filter((name) => !names.includes(name));
  expect(unheard, `${plan.kernel} ${plan.variant}: tuning that the shader lacks`).toEqual([]);
}

test('the largest patches of pictures fit into the workgroup memory that WebGPU promises', async () => {
  expect(device.limits.maxComputeWorkgroupStorageSize).toBe(16384);
  const settings = { caps: caps.gpu, variant: 'patch' };
  const readsOf = (filter: number) => ({
    x: { shape: [1, 3, 224, 224] },
    w: { shape: [64, 3, filter, filter] },
  });
  // 16,352 and 16,128 bytes; masked AlexNet's 16,080, and all 16,384.
  await checkPipelines(conv2d.plan(readsOf(7), { stride: 7 }, settings));
  await checkPipelines(conv2d.plan(readsOf(9), { stride: 7 }, settings));
  for (const [filter, stride] of [
    [11, 4],
    [4, 5],
  ]) {
    const reads = { ...readsOf(filter), at: { shape: [5] } };
    const options = { source: 'rise', count: 2, stride } as const;
    await checkPipelines(maskedConv2d.plan(reads, options, settings));
  }
});

const checked = new Set<string>();

/** Builds the pipeline with the spec's layout (names, access) and with the shader's own (no binding unused). */
async function checkPipelines(plan: DispatchPlan) {
  const key = JSON.stringify([plan.code, plan.constants]);
  if (checked.has(key)) return;
  checked.add(key);
  const device = deviceFor(plan.code);
  await Pipelines.of(device).prepare([plan]);

  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: plan.code });
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module, constants: plan.constants },
  });
  const buffer = () => ({ buffer: device.createBuffer({ size: 256, usage: usage.storage }) });
  device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: plan.bindings.map((_, binding) => ({ binding, resource: buffer() })),
  });
  const error = await device.popErrorScope();
  expect(error?.message, `${plan.kernel} ${plan.variant}: a binding is not used`).toBeUndefined();
}

test('shared helpers are the same in every file', () => {
  const copies = new Map<string, Map<string, string[]>>();
  for (const { path, code } of shaders) {
    const open = code.match(/^\/\/ shared: /gm)?.length ?? 0;
    const blocks = [...code.matchAll(/^\/\/ shared: (\w+)\n([\s\S]*?)^\/\/ end$/gm)];
    expect(blocks.length, `${path}: \`// shared: name\` without \`// end\``).toBe(open);
    for (const [, name, body] of blocks) {
      const versions = copies.get(name) ?? new Map<string, string[]>();
      versions.set(body, [...(versions.get(body) ?? []), path]);
      copies.set(name, versions);
    }
  }
  expect(copies.size).toBeGreaterThan(0);
  for (const [name, versions] of copies) {
    expect([...versions.values()], `shared: ${name} differs`).toHaveLength(1);
    const [users] = versions.values();
    expect(users.length, `shared: ${name} is in one file only`).toBeGreaterThan(1);
  }
});

test('imports go one way', () => {
  // Each folder may import from those named; src/errors.ts and the shaders are everybody's.
  const allowed: Record<string, readonly string[]> = {
    gpu: [],
    kernels: ['gpu'],
    image: ['gpu', 'kernels'],
    net: ['gpu', 'kernels', 'image'],
    toy: ['image'],
    cam: ['gpu', 'kernels', 'net', 'image'],
    eval: ['gpu', 'kernels', 'net', 'image', 'cam', 'toy'],
    cli: ['gpu', 'kernels', 'net', 'image', 'cam', 'eval', 'toy', ''],
  };
  const wrong: string[] = [];
  let seen = 0;
  for (const path of files('src', '.ts')) {
    const folder = path.split('/').slice(1, -1)[0];
    if (folder === undefined) continue; // index.ts, node.ts: the library's face
    if (!allowed[folder]) wrong.push(`${path}: folder ${folder} has no place in the order`);
    for (const [, from] of text(path).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
      seen++;
      const target = relative(root, fileURLToPath(new URL(from, `file://${root}${path}`)));
      const [top, next, ...rest] = target.replaceAll('\\', '/').split('/');
      if (top !== 'src') continue;
      const to = rest.length ? next : '';
      if (to === folder || target.endsWith('errors.js')) continue;
      if (!allowed[folder]?.includes(to)) wrong.push(`${path} imports ${from}`);
    }
  }
  expect(seen).toBeGreaterThan(50);
  expect(wrong).toEqual([]);
});

test('the library prints nothing', () => {
  const printing = files('src', '.ts')
    .filter((path) => !path.startsWith('src/cli/'))
    .filter((path) => /\bconsole\s*\.|process\.std(out|err)\b/.test(bare(text(path))));
  expect(printing).toEqual([]);
});
