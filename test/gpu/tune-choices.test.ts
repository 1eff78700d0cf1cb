import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { capsOf, coreCaps } from '../../src/gpu/caps.js';
import * as page from '../../src/gpu/platform-browser.js';
import * as node from '../../src/gpu/platform-node.js';
import { shapeClass } from '../../src/gpu/shape-class.js';
import { shippedChoices } from '../../src/gpu/shipped-choices.js';
import { addToTable, libraryVersion, readTable, tableKey } from '../../src/gpu/tuned-table.js';
import { conv2d } from '../../src/kernels/conv2d.js';
import * as kernels from '../../src/kernels/index.js';
import { type AnyKernel, kernel } from '../../src/kernels/kernel.js';
import { groups, misjudged, shader } from '../support/misjudged.js';

describe('the class of shapes', () => {
  test('rounds large sizes to powers of two and keeps small ones', () => {
    const sizes = { W: 13, C: 64, N: 7, S: 3, SIZE: 8, B: -9, K: 11, L: 12, F: 0 };
    expect(shapeClass(sizes)).toBe('B=-9,C=64,F=0,K=8,L=16,N=7,S=3,SIZE=8,W=16');
  });

  test('does not depend on the order of sizes, nor on epilogue, fractions and index arithmetic', () => {
    const epilogue = { ACT: 1, HAS_B: 1, HAS_R: 0, C0: 8, CT: 64, K0: 32, KT: 96, ACCUMULATE: 1 };
    const others = { EPS: 1e-6, SCALE: 0.125, A_ROW: 768 };
    expect(shapeClass({ K: 4, C: 3, ...epilogue, ...others })).toBe('C=3,K=4');
    expect(shapeClass({ C: 3, K: 4 })).toBe('C=3,K=4');
  });

  test('tells apart strides, groups and what other switches do', () => {
    const plan = (options: object) =>
      conv2d.plan(
        { x: { shape: [1, 8, 16, 16] }, w: { shape: [8, 8, 3, 3] } },
        { pad: 1, ...options },
      );
    const classes = [{}, { stride: 2 }, { pad: 0 }, { dilation: 2 }].map((o) =>
      shapeClass(plan(o).sizes),
    );
    expect(new Set(classes).size).toBe(4);
    expect(shapeClass(plan({ act: 'relu' }).sizes)).toBe(classes[0]);
    // What pools has fewer variants to choose from.
    expect(classes).not.toContain(shapeClass(plan({ pool: true }).sizes));
    expect(shapeClass({ HAS_FIELD: 1 })).not.toBe(shapeClass({ HAS_FIELD: 0 }));
  });
});

describe('a table of choices', () => {
  const x = { shape: [4096] };
  const shapes = shapeClass({ SIZE: 4096 });
  const planned = (name: string, settings: object = {}) =>
    misjudged.plan(
      { x },
      {},
      {
        caps: { ...coreCaps, choices: { misjudged: { [shapes]: name } } },
        ...settings,
      },
    );

  test('goes before the order of the kernel, and the same table gives the same plan', () => {
    expect(misjudged.plan({ x }).variant).toBe('slow');
    expect(planned('unpaid').variant).toBe('unpaid');
    expect(JSON.stringify(planned('unpaid'))).toBe(JSON.stringify(planned('unpaid')));
  });

  test('serves the whole class, no other, and gives way to a variant asked for by name', () => {
    const caps = { ...coreCaps, choices: { misjudged: { [shapes]: 'naive' } } };
    const variantOf = (length: number) =>
      misjudged.plan({ x: { shape: [length] } }, {}, { caps }).variant;
    expect([2900, 5700, 2890, 5800].map(variantOf)).toEqual(['naive', 'naive', 'slow', 'slow']);
    expect(planned('naive', { variant: 'unpaid' }).variant).toBe('unpaid');
  });

  test('is passed over where it names what is not there', () => {
    for (const name of ['no such', '', 'slow#1', 'constructor', '__proto__']) {
      expect(planned(name).variant).toBe('slow');
    }
    const caps = { ...coreCaps, choices: { other: { [shapes]: 'naive' } } };
    expect(misjudged.plan({ x }, {}, { caps }).variant).toBe('slow');
  });

  test('is passed over where the variant is made for another kind of adapter, or cannot compute the sizes', () => {
    const picky = kernel({
      ...misjudged.spec,
      variants: [
        { name: 'cpu', code: shader(1), on: 'software', groups },
        { name: 'odd', code: shader(1), fits: ({ SIZE }) => SIZE % 2 === 1, groups },
        { name: 'grand', code: shader(1), needs: ({ features }) => features.has('none'), groups },
        { name: 'usual', code: shader(1), groups },
      ],
    });
    for (const name of ['cpu', 'odd', 'grand']) {
      const caps = { ...coreCaps, choices: { misjudged: { [shapes]: name } } };
      expect(picky.plan({ x }, {}, { caps }).variant).toBe('usual');
    }
    const caps = {
      ...coreCaps,
      kind: 'software' as const,
      choices: { misjudged: { [shapes]: 'usual' } },
    };
    expect(picky.plan({ x }, {}, { caps }).variant).toBe('usual');
  });
});

describe('settings of a variant', () => {
  const several = kernel({
    ...misjudged.spec,
    variants: [
      {
        name: 'wide',
        code: shader(1),
        tunings: () => [{ GX: 64 }, { GX: 128 }, { GX: 32 }],
        groups,
      },
      { name: 'naive', code: shader(1), groups },
    ],
  });
  const x = { shape: [4096] };

  test('are ways of their own: listed, asked for and chosen by name', () => {
    expect(several.variantsFor({ x })).toEqual(['wide', 'wide#1', 'wide#2', 'naive']);
    expect(several.plan({ x })).toMatchObject({ variant: 'wide', constants: { GX: 64 } });
    const asked = several.plan({ x }, {}, { variant: 'wide#1' });
    expect(asked).toMatchObject({ variant: 'wide#1', constants: { GX: 128 }, workgroups: [32, 1] });
    const choices = { misjudged: { [shapeClass({ SIZE: 4096 })]: 'wide#2' } };
    const chosen = several.plan({ x }, {}, { caps: { ...coreCaps, choices } });
    expect(chosen).toMatchObject({
      variant: 'wide#2',
      constants: { GX: 32 },
      workgroups: [128, 1],
    });
    expect(() => several.plan({ x }, {}, { variant: 'wide#3' })).toThrow(/no variant wide#3/);
  });
});

describe('candidates', () => {
  const names = (length: number, settings?: object) =>
    misjudged.candidates!({ x: { shape: [length] } }, {}, settings).map((plan) => plan.variant);

  test('are the automatic choice first, then the others, also those that do not pay', () => {
    expect(names(4096)).toEqual(['slow', 'unpaid', 'naive']);
  });

  test('leave the naive variant out where it would take long', () => {
    expect(names(2 ** 24)).toEqual(['slow', 'unpaid']);
  });

  test('leave out on a software adapter what does not pay and would take long', () => {
    const caps = { ...coreCaps, kind: 'software' as const };
    expect(names(2 ** 25 - 64, { caps })).toEqual(['slow', 'unpaid']);
    expect(names(2 ** 25, { caps })).toEqual(['slow']);
    expect(names(2 ** 25)).toEqual(['slow', 'unpaid']);
  });

  test('are also other settings of the naive variant, where a plan takes that one', () => {
    const single = kernel({
      ...misjudged.spec,
      variants: [
        { name: 'only', code: shader(1), tunings: () => [{ GX: 64 }, { GX: 32 }], groups },
      ],
    });
    const plans = single.candidates!({ x: { shape: [2 ** 24] } });
    expect(plans.map((plan) => plan.variant)).toEqual(['only', 'only#1']);
  });

  test('are made for the adapter at hand', () => {
    const x = { shape: [1, 32, 28, 28] };
    const w = { shape: [32, 32, 3, 3] };
    const made = (kind: 'gpu' | 'software') =>
      conv2d.candidates!({ x, w }, {}, { caps: { ...coreCaps, kind } }).map(
        ({ variant }) => conv2d.spec.variants.find(({ name }) => name === variant)?.on ?? kind,
      );
    expect(new Set(made('gpu'))).toEqual(new Set(['gpu']));
    expect(new Set(made('software'))).toEqual(new Set(['software']));
    expect(made('software').length).toBeGreaterThan(2);
  });
});

describe('what is kept', () => {
  /** A page's cache storage. */
  const storage = () => {
    const kept = new Map<string, string>();
    const cache = {
      match: async (url: string) => (kept.has(url) ? new Response(kept.get(url)) : undefined),
      put: async (url: string, response: Response) =>
        void kept.set(new URL(url).href, await response.text()),
    };
    return { open: async () => cache };
  };

  test('in a page comes back from its cache storage', async () => {
    vi.stubGlobal('caches', storage());
    try {
      expect(await page.readTuned('a key')).toBeUndefined();
      await page.writeTuned('a key', 'text');
      await page.writeTuned('another', 'other');
      expect(await page.readTuned('a key')).toBe('text');
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test('in Node comes back from a file that is there whole or not at all', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'webgpu-cam-kept-'));
    vi.stubEnv('XDG_CACHE_HOME', folder);
    try {
      expect(await node.readTuned('key')).toBeUndefined();
      const texts = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(20000));
      await Promise.all(texts.map((text) => node.writeTuned('key', text)));
      expect(texts).toContain(await node.readTuned('key'));
      expect(await readdir(join(folder, 'webgpu-cam', 'tuned'))).toEqual(['key.json']);

      await addToTable('table', { conv2d: { a: 'x', b: 'y' } });
      await addToTable('table', { conv2d: { b: 'z' }, linear: { a: 'x' } });
      expect(await readTable('table')).toEqual({ conv2d: { a: 'x', b: 'z' }, linear: { a: 'x' } });
    } finally {
      vi.unstubAllEnvs();
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('is nothing where there is no storage, which is no error', async () => {
    expect(globalThis.caches).toBeUndefined();
    await expect(page.readTuned('key')).rejects.toThrow();
    await expect(page.writeTuned('key', 'text')).rejects.toThrow();
    vi.stubEnv('XDG_CACHE_HOME', '/dev/null');
    try {
      await addToTable('key', { conv2d: { a: 'x' } });
      expect(await readTable('key')).toEqual({});
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test('the version in the key is that of the package', async () => {
    const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
    expect(libraryVersion).toBe(JSON.parse(text).version);
  });

  test('the key tells adapters and drivers apart, and is a name that files may have', () => {
    const info = (more: object) =>
      tableKey({ vendor: 'Acme/..', architecture: 'gen 3', device: '', ...more } as GPUAdapterInfo);
    const keys = [
      info({ description: 'driver 1' }),
      info({ description: 'driver 2' }),
      info({ device: '0x12' }),
      info({ driver: '5' }),
      tableKey(undefined),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    for (const key of keys) expect(key).toMatch(/^[a-z0-9.-]{10,100}$/);
    expect(keys[0]).toMatch(/^acme-gen-3-0\.[\d.]+-[0-9a-f]{8}$/);
  });
});

describe('the table that comes with the package', () => {
  /** Routes of forks, which stand in the table as kernels' variants do. */
  const routes: Readonly<Record<string, readonly string[]>> = {
    convolution: ['direct', 'winograd2', 'winograd4'],
    convolutionBackwardInput: ['direct', 'winograd2', 'winograd4'],
  };

  test('names kernels, classes and variants that there are', () => {
    for (const choices of Object.values(shippedChoices)) {
      for (const [name, classes] of Object.entries(choices)) {
        const named = (kernels as unknown as Record<string, AnyKernel>)[name];
        const variants = routes[name] ?? named?.spec.variants.map((variant) => variant.name);
        expect(variants, name).toBeDefined();
        for (const [shapes, choice] of Object.entries(classes)) {
          expect(shapes).toMatch(/^[A-Z][A-Z0-9_]*=-?\d+(,[A-Z][A-Z0-9_]*=-?\d+)*$/);
          expect(variants, `${name} ${shapes}`).toContain(choice.replace(/#\d+$/, ''));
        }
      }
    }
  });

  test('serves the adapters it names, and no other', () => {
    const device = { limits: coreCaps.limits, features: new Set() } as unknown as GPUDevice;
    const choices = (vendor: string, architecture: string) =>
      capsOf(device, { vendor, architecture, device: '', description: '' } as GPUAdapterInfo)
        .choices;
    for (const name in shippedChoices) {
      const [vendor, architecture] = name.split(' ');
      expect(choices(vendor.toUpperCase(), architecture)).toBe(shippedChoices[name]);
    }
    expect(choices('acme', 'none')).toBeUndefined();
    expect(capsOf(device, undefined).choices).toBeUndefined();
  });
});
