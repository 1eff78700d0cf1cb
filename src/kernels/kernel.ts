import { ShapeError } from '../errors.js';
import { type Caps, coreCaps } from '../gpu/caps.js';
import {
  type Binding,
  fold,
  type KernelPlan,
  type ReadsOf,
  type Recordable,
  type Shaped,
} from '../gpu/dispatch.js';
import { shapeClass } from '../gpu/shape-class.js';
import { bytesOf, type Dtype, type Storage, sizeOf } from '../gpu/tensor.js';

/** Sizes by letter (`N`, `C`, ...) and derived constants by name. */
export type Sizes = Readonly<Record<string, number>>;

/** One way to compute a kernel. */
export interface Variant {
  readonly name: string;
  /** The WGSL module; its entry point is `main`. */
  readonly code: string;
  /** Adapters it is made for; without it, any. A plan never picks a variant made for another kind by itself. */
  readonly on?: 'software' | 'gpu';
  /** Whether the device can run it, on elements stored so. */
  readonly needs?: (caps: Caps, storage: Storage) => boolean;
  /** Whether it can compute these sizes. */
  readonly fits?: (sizes: Sizes) => boolean;
  /** Whether it is worth taking by itself for these sizes; a variant asked for by name is taken all the same. */
  readonly pays?: (sizes: Sizes, caps: Caps) => boolean;
  /** Tuning constants (tile sizes, workgroup size) for these sizes. */
  readonly tuning?: (sizes: Sizes, caps: Caps) => Record<string, number>;
  /**
   * In place of `tuning`: several settings of the constants, the usual one first. Each is a way to compute of its own, named `tile`, `tile#1`,
   * `tile#2`, of which a plan takes another than the first only when it is asked for or chosen by measurement.
   */
  readonly tunings?: (sizes: Sizes, caps: Caps) => readonly Record<string, number>[];
  /**
   * Number of workgroups; the shader reads its own as `wid.y * nwg.x + wid.x`, up to `GROUPS`. Both may use `LANES`: the invocations that a
   * software adapter runs at once (see {@link Caps.lanes}).
   */
  readonly groups: (sizes: Sizes) => number;
}

/** The shape of a tensor as letters: `'N C H W'`; `'*'` is any shape, its size is `SIZE`. */
export type Shape = string;

export interface KernelSpec<Reads extends string, Results extends string, Options> {
  readonly name: string;
  /** Inputs in binding order. A name ending in `?` may be left out; the shader then sees `HAS_NAME` = 0. */
  readonly reads: Readonly<Record<Reads, Shape>>;
  /** Outputs, bound after the inputs. */
  readonly results: Readonly<Record<Results, Shape>>;
  /** Element types that are not `f32`. */
  readonly dtypes?: Readonly<Record<string, Dtype>>;
  /** Further sizes and constants from the read sizes and the options. Throws ShapeError on what does not fit. */
  readonly derive?: (sizes: Sizes, options: Options) => Record<string, number>;
  readonly flops?: (sizes: Sizes) => number;
  /** Best first; the last needs nothing, is naive, and is the one to read. */
  readonly variants: readonly Variant[];
}

export interface Kernel<
  Reads extends string = string,
  Results extends string = string,
  Options = object,
> extends Recordable<Reads, Results, Options> {
  readonly spec: KernelSpec<Reads, Results, Options>;
  /** Names of the variants that can compute these shapes on such a device, the automatic choice not necessarily first. */
  variantsFor(
    reads: ReadsOf<Reads, Shaped>,
    options?: Options,
    caps?: Caps,
    storage?: Storage,
  ): string[];
}

/** Any kernel, for places that do not care which. */
// biome-ignore lint/suspicious/noExplicitAny: options differ from kernel to kernel
export type AnyKernel = Kernel<any, any, any>;

/** Declares a kernel. */
export function kernel<Reads extends string, Results extends string, Options = object>(
  spec: KernelSpec<Reads, Results, Options>,
): Kernel<Reads, Results, Options> {
  const readNames = Object.keys(spec.reads) as Reads[];
  const resultNames = Object.keys(spec.results) as Results[];

  const sizesOf = (reads: ReadsOf<Reads, Shaped>, options: Options | undefined): Sizes => {
    const given = reads as Readonly<Record<string, Shaped | undefined>>;
    const sizes: Record<string, number> = {};
    const origin: Record<string, string> = {};
    for (const read of readNames) {
      const name = bare(read);
      const tensor = given[name];
      if (read.endsWith('?')) sizes[`HAS_${name.toUpperCase()}`] = tensor ? 1 : 0;
      else if (!tensor)
        throw new ShapeError(`${spec.name}: ${name} is missing: ${spec.reads[read]}`);
      if (tensor) unify(spec.name, name, spec.reads[read], tensor.shape, sizes, origin);
    }
    for (const name in given) {
      if (!readNames.some((read) => bare(read) === name)) {
        throw new ShapeError(
          `${spec.name}: has no input ${name}: it reads ${readNames.join(', ')}`,
        );
      }
    }
    if (spec.derive) Object.assign(sizes, spec.derive(sizes, options ?? ({} as Options)));
    return sizes;
  };

  const plan: Kernel<Reads, Results, Options>['plan'] = (reads, options, settings = {}) => {
    const caps = settings.caps ?? coreCaps;
    const given = reads as Readonly<Record<string, Shaped | undefined>>;
    const sizes = sizesOf(reads, options);
    const { storage = 'f32' } = settings;
    if (storage === 'f16' && !caps.features.has('shader-f16')) {
      throw new ShapeError(
        `${spec.name}: storage f16 needs a device with the feature shader-f16: use f32`,
      );
    }
    const dtype = (name: string): Dtype => spec.dtypes?.[name] ?? storage;

    const results = Object.fromEntries(
      resultNames.map((name) => [
        name,
        { shape: shapeFrom(spec, name, sizes, given, readNames), dtype: dtype(name) },
      ]),
    ) as KernelPlan<Results>['results'];
    const first = readNames.map((read) => given[bare(read)]).find((t) => t);
    const bindings: Binding[] = [
      ...readNames.map((read) => ({
        name: bare(read),
        access: 'read' as const,
        shape: (given[bare(read)] ?? first)!.shape,
        dtype: dtype(bare(read)),
      })),
      ...resultNames.map((name) => ({ name, access: 'write' as const, ...results[name] })),
    ];
    for (const b of bindings) {
      const bytes = sizeOf(b.shape) * bytesOf(b.dtype);
      if (sizeOf(b.shape) === 0 || bytes > caps.limits.maxStorageBufferBindingSize) {
        throw new ShapeError(
          `${spec.name}: ${b.name} [${b.shape}] takes ${bytes} bytes, should be more than 0 and at most ${caps.limits.maxStorageBufferBindingSize} (the device's largest binding): use a smaller batch or input`,
        );
      }
    }

    const { variant, name, setting } = pick(spec, sizes, caps, storage, settings.variant);
    const tuning = variant.tunings?.(sizes, caps)[setting] ?? variant.tuning?.(sizes, caps);
    const tuned = { LANES: caps.lanes ?? 4, ...sizes, ...tuning };
    const groups = variant.groups(tuned);
    return {
      kernel: spec.name,
      variant: name,
      code: storage === 'f16' && hasFloats(variant.code) ? asF16(variant.code) : variant.code,
      constants: declared(variant.code, { ...tuned, GROUPS: groups }),
      bindings,
      workgroups: fold(groups, caps.limits.maxComputeWorkgroupsPerDimension),
      flops: spec.flops?.(sizes) ?? 0,
      bytes: bindings
        .filter((b, i) => i >= readNames.length || given[b.name] !== undefined)
        .reduce((sum, b) => sum + sizeOf(b.shape) * bytesOf(b.dtype), 0),
      sizes,
      results,
    };
  };

  return {
    name: spec.name,
    spec,
    resultNames,
    plan,
    variantsFor: (reads, options, caps = coreCaps, storage = 'f32') =>
      waysOf(spec.variants, sizesOf(reads, options), caps, storage).map((way) => way.name),
    candidates: (reads, options, settings = {}) => {
      const first = plan(reads, options, settings);
      if (spec.variants.length === 1 && !spec.variants[0].tunings) return [first];
      const caps = settings.caps ?? coreCaps;
      const { sizes, flops } = first;
      const isOfFirst = ({ name }: Variant) => name === first.variant.split('#')[0];
      const isLong = (variant: Variant) =>
        (variant === spec.variants[spec.variants.length - 1] && flops >= mostNaiveFlops) ||
        (!(variant.pays?.(sizes, caps) ?? true) &&
          caps.kind === 'software' &&
          flops >= mostUnpaidFlops);
      const others = waysOf(spec.variants, sizes, caps, settings.storage).filter(
        ({ variant, name }) =>
          name !== first.variant &&
          isFor(variant, caps) &&
          (isOfFirst(variant) || !isLong(variant)),
      );
      return [
        first,
        ...others.map(({ name }) => plan(reads, options, { ...settings, variant: name })),
      ];
    },
    order: <T>(reads: ReadsOf<Reads, T>, results: Readonly<Record<Results, T>>) => {
      const given = reads as Readonly<Record<string, T | undefined>>;
      const first = readNames.map((read) => given[bare(read)]).find((t) => t) as T;
      return [
        ...readNames.map((read) => given[bare(read)] ?? first),
        ...resultNames.map((name) => results[name]),
      ];
    },
  };
}

const bare = (read: string): string => (read.endsWith('?') ? read.slice(0, -1) : read);

/** Binds the letters of `letters` to the sizes of `shape`, or says which one disagrees. */
function unify(
  kernelName: string,
  name: string,
  letters: string,
  shape: readonly number[],
  sizes: Record<string, number>,
  origin: Record<string, string>,
): void {
  const fail = (why: string): never => {
    throw new ShapeError(`${kernelName}: ${name} [${shape}] should be [${letters}]: ${why}`);
  };
  if (letters === '*') {
    const size = sizeOf(shape);
    if (sizes.SIZE !== undefined && sizes.SIZE !== size)
      fail(`${origin.SIZE} has ${sizes.SIZE} elements`);
    sizes.SIZE = size;
    origin.SIZE ??= name;
    return;
  }
  const wanted = letters.split(' ');
  if (shape.length !== wanted.length) fail(`${wanted.length} dimensions`);
  wanted.forEach((letter, i) => {
    if (!Number.isInteger(shape[i]) || shape[i] < 1) fail(`${letter} is ${shape[i]}`);
    if (/^\d+$/.test(letter)) {
      if (shape[i] !== Number(letter)) fail(`dimension ${i} is ${shape[i]}`);
      return;
    }
    if (sizes[letter] !== undefined && sizes[letter] !== shape[i]) {
      fail(`${letter} is ${sizes[letter]} in ${origin[letter]}`);
    }
    sizes[letter] = shape[i];
    origin[letter] ??= name;
  });
}

function shapeFrom<R extends string, Y extends string, O>(
  spec: KernelSpec<R, Y, O>,
  result: Y,
  sizes: Sizes,
  given: Readonly<Record<string, Shaped | undefined>>,
  readNames: readonly R[],
): readonly number[] {
  const letters = spec.results[result];
  if (letters === '*') {
    const model = readNames.find((read) => spec.reads[read] === '*')!;
    return given[bare(model)]!.shape;
  }
  return letters.split(' ').map((letter) => {
    const size = /^\d+$/.test(letter) ? Number(letter) : sizes[letter];
    if (!Number.isInteger(size) || size < 1) {
      throw new ShapeError(`${spec.name}: ${result} [${letters}] would have ${letter} = ${size}`);
    }
    return size;
  });
}

/** A variant with one of its settings. */
interface Way {
  readonly variant: Variant;
  /** Place in the variant's `tunings`. */
  readonly setting: number;
  readonly name: string;
}

/** Every way to compute these sizes on such a device, best first. */
function waysOf(
  variants: readonly Variant[],
  sizes: Sizes,
  caps: Caps,
  storage: Storage = 'f32',
): Way[] {
  return variants
    .filter((v) => (v.needs?.(caps, storage) ?? true) && (v.fits?.(sizes) ?? true))
    .flatMap((variant) =>
      (variant.tunings?.(sizes, caps) ?? [{}]).map((_, setting) => ({
        variant,
        setting,
        name: setting === 0 ? variant.name : `${variant.name}#${setting}`,
      })),
    );
}

const isFor = ({ on }: Variant, { kind }: Caps): boolean => on === undefined || on === kind;

/** Operations from which the naive variant is not timed: it could take minutes on a software adapter. */
const mostNaiveFlops = 2 ** 24;
/** Operations from which a software adapter does not time what does not pay: a matrix product for one row took 5 s where another variant took 0.1 s. */
const mostUnpaidFlops = 2 ** 25;

/** The way asked for by name; else the measured one; else the first made for the device that pays. */
function pick<R extends string, Y extends string, O>(
  spec: KernelSpec<R, Y, O>,
  sizes: Sizes,
  caps: Caps,
  storage: Storage,
  wanted: string | undefined,
): Way {
  const ways = waysOf(spec.variants, sizes, caps, storage);
  if (wanted !== undefined) {
    const named = ways.find(({ name }) => name === wanted);
    if (named) return named;
    throw new ShapeError(
      `${spec.name}: no variant ${wanted} for these sizes on this device: there are ${ways.map(({ name }) => name).join(', ')}`,
    );
  }
  const choices = caps.choices?.[spec.name];
  if (choices && ways.length > 1) {
    const chosen = choices[shapeClass(sizes)];
    // A table measured elsewhere may name what this kernel has no more, or what is not for these sizes.
    const way = ways.find(({ variant, name }) => name === chosen && isFor(variant, caps));
    if (way) return way;
  }
  const automatic = ways.find(
    ({ variant }) => isFor(variant, caps) && (variant.pays?.(sizes, caps) ?? true),
  );
  return automatic ?? ways.findLast(({ setting }) => setting === 0)!;
}

const declarations = new Map<string, readonly string[]>();

/** Those constants that the shader declares: WebGPU refuses others. */
function declared(code: string, constants: Sizes): Record<string, number> {
  let names = declarations.get(code);
  if (!names) {
    names = [...code.matchAll(/^\s*(?:@id\(\d+\)\s*)?override\s+(\w+)/gm)].map((m) => m[1]);
    // several overrides may stand on one line
    names = [
      ...new Set([...names, ...[...code.matchAll(/;\s*override\s+(\w+)/g)].map((m) => m[1])]),
    ];
    declarations.set(code, names);
  }
  return Object.fromEntries(
    names.filter((n) => constants[n] !== undefined).map((n) => [n, constants[n]]),
  );
}

const floats = 'alias elem = f32;';

/** Whether a module loads or stores floats: only then it has the alias. */
const hasFloats = (code: string): boolean => code.includes(floats);

/** The module with 16-bit elements: exactly the line `alias elem = f32;` changes. */
export function asF16(code: string): string {
  const parts = code.split(floats);
  if (parts.length !== 2) {
    throw new ShapeError(
      `shader: \`${floats}\` should occur once, occurs ${parts.length - 1} times`,
    );
  }
  // `enable` must come before every declaration; the alias is the first one.
  return `${parts[0]}enable f16; alias elem = f16;${parts[1]}`;
}

/** Workgroups of `size` invocations for `count` elements. */
export const groupsFor = (count: number, size: number): number => Math.ceil(count / size);

/** What an epilogue applies to each result element. */
export type Activation = 'none' | 'relu';

/** The `ACT` constant of shaders with an epilogue. */
export const activationCode = (act: Activation = 'none'): number => (act === 'relu' ? 1 : 0);

/**
 * Variants of a kernel whose workgroups of GX invocations each make partial sums and add them in a tree: on a CPU, where barriers are
 * dear and lanes few, four invocations do. On a GPU wider workgroups may be chosen by measurement.
 */
export const treeVariants = (code: string, groups: Variant['groups']): readonly Variant[] => [
  { name: 'narrow', code, on: 'software', tuning: () => ({ GX: 4 }), groups },
  {
    name: 'tree',
    code,
    tunings: (_, { kind }) => (kind === 'gpu' ? widths : widths.slice(0, 1)),
    groups,
  },
];

/** The shader's own first. */
const widths: readonly Record<string, number>[] = [{}, { GX: 128 }, { GX: 256 }];
