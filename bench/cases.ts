import type { Caps } from '../src/gpu/caps.js';
import { Recorder } from '../src/gpu/recorder.js';
import type { Storage } from '../src/gpu/tensor.js';
import type { TuneMode } from '../src/gpu/tuner.js';
import { placeholder } from '../src/gpu/value.js';
import type { AnyKernel } from '../src/kernels/kernel.js';
import { normalizeRows } from '../src/kernels/normalize-rows.js';
import { resizeBilinear } from '../src/kernels/resize-bilinear.js';
import { rowRange } from '../src/kernels/row-range.js';
import { softmax } from '../src/kernels/softmax.js';
import { spatialMean } from '../src/kernels/spatial-mean.js';
import { topK } from '../src/kernels/top-k.js';
import { weightedSum } from '../src/kernels/weighted-sum.js';
import { Net } from '../src/net/net.js';

/** One kernel on shapes that a network gives it. */
export interface KernelCase {
  /** Kernel, shapes and options in one line; no two cases share it. */
  readonly id: string;
  readonly kernel: AnyKernel;
  /** Shape of each input. */
  readonly reads: Readonly<Record<string, readonly number[]>>;
  readonly options: object;
  /** How often each network uses it, forward and backward to its input together. */
  readonly uses: Readonly<Record<string, number>>;
}

/** One network on one input. */
export interface NetworkCase {
  readonly id: string;
  readonly network: string;
  /** `forward`: to the logits. `grad-cam`: forward, backward and the finished map. */
  readonly pass: 'forward' | 'grad-cam';
  readonly batch: number;
  /** Default f32. */
  readonly storage?: Storage;
}

/** What to run: the flags of the command, see README.md. */
export interface Selection {
  /** Regular expression on a case's id or the networks it comes from. */
  readonly only?: string;
  readonly part?: 'kernels' | 'networks';
  /** A subset that a software adapter gets through in about a minute. */
  readonly quick?: boolean;
  /** All variants of a kernel, not only the one that would be picked. */
  readonly variants?: boolean;
  readonly rounds?: number;
  readonly batch?: number;
  /** How networks store weights and values; default f32. */
  readonly storage?: Storage;
  /** How the device is tuned before anything is measured; without it, not at all. */
  readonly tune?: TuneMode;
}

/** The networks whose layer shapes are measured. */
export const benchNetworks = ['alexnet', 'vgg16', 'squeezenet1_1'] as const;

/** The one network that is small enough for `quick`. */
const quickNetwork = 'squeezenet1_1';

/** Largest case of `quick`: the naive variant, which it is checked against, does 0.2 GFLOP/s on a software adapter. */
const quickLimits = { flops: 100e6, bytes: 18e6 };

/** Every kernel case that the selection names, by kernel. */
export function kernelCases(caps: Caps, selection: Selection = {}): KernelCase[] {
  if (selection.part === 'networks') return [];
  const batch = selection.batch ?? 1;
  const cases = new Map<string, KernelCase>();
  const add = ({ kernel, reads, options, uses }: Omit<KernelCase, 'id'>) => {
    const id = describe(kernel.name, reads, options);
    const sum: Record<string, number> = { ...cases.get(id)?.uses };
    for (const from in uses) sum[from] = (sum[from] ?? 0) + uses[from];
    cases.set(id, { id, kernel, reads, options, uses: sum });
  };
  for (const network of benchNetworks) {
    for (const c of stepsOf(network, caps, batch)) add({ ...c, uses: { [network]: 1 } });
  }
  for (const c of tail(batch)) add({ ...c, uses: { 'grad-cam': 1 } });
  const matches = matcher(selection.only);
  const chosen = [...cases.values()]
    .filter((c) => matches([c.id, ...Object.keys(c.uses)].join(' ')))
    .sort((a, b) => compare(a.kernel.name, b.kernel.name));
  return selection.quick ? quickOf(chosen, caps) : chosen;
}

/** Every network case that the selection names. */
export function networkCases(selection: Selection = {}): NetworkCase[] {
  if (selection.part === 'kernels') return [];
  const { batch = 1, storage = 'f32' } = selection;
  const matches = matcher(selection.only);
  return benchNetworks
    .filter((network) => !selection.quick || network === quickNetwork)
    .flatMap((network) =>
      (['forward', 'grad-cam'] as const).map((pass) => ({
        id: `${network} ${pass}${batch > 1 ? ` batch=${batch}` : ''}${storage === 'f16' ? ' f16' : ''}`,
        network,
        pass,
        batch,
        storage,
      })),
    )
    .filter((c) => matches(c.id));
}

/** The inputs as a plan wants them. */
export const shapesOf = ({ reads }: Pick<KernelCase, 'reads'>) =>
  Object.fromEntries(Object.entries(reads).map(([name, shape]) => [name, { shape }]));

type Bare = Pick<KernelCase, 'kernel' | 'reads' | 'options'>;

/** What a network records, forward to the logits and backward to its input. */
function stepsOf(network: string, caps: Caps, batch: number): Bare[] {
  const net = Net.describe(network);
  const recorder = new Recorder(caps);
  const steps: Bare[] = [];
  const { k } = recorder;
  // A plan keeps sizes but not options, which the other variants are planned from: so they are taken down on the way.
  const spy = (kernel: AnyKernel, reads: Shapes, options: object = {}, settings?: object) => {
    const shapes = Object.entries(reads).flatMap(([name, t]) => (t ? [[name, t.shape]] : []));
    steps.push({ kernel, reads: Object.fromEntries(shapes), options });
    return k(kernel, reads as never, options, settings);
  };
  recorder.k = spy as unknown as Recorder['k'];
  const input = placeholder([batch, 3, ...net.inputSize]);
  const trace = net.trace(recorder, input, { backwardTo: ['input'] });
  const seed = placeholder(trace.output.shape);
  trace.backward(net.graph.output, seed, ['input']);
  return steps;
}

type Shapes = Readonly<Record<string, { readonly shape: readonly number[] } | undefined>>;

/** What follows the backward pass of a Grad-CAM on VGG-16, and the answers to a prediction. */
function tail(N: number): Bare[] {
  const [K, side, input, classes] = [512, 14, 224, 1000];
  const maps = [N, K, side, side];
  const row = [N, input * input];
  const outputSize = [input, input];
  return [
    { kernel: spatialMean, reads: { x: maps }, options: {} },
    { kernel: weightedSum, reads: { x: maps, w: [N, K] }, options: {} },
    { kernel: resizeBilinear, reads: { x: [N, 1, side, side] }, options: { outputSize } },
    // Score-CAM enlarges every map.
    { kernel: resizeBilinear, reads: { x: maps }, options: { outputSize } },
    { kernel: rowRange, reads: { x: row }, options: {} },
    { kernel: normalizeRows, reads: { x: row, range: [N, 4] }, options: {} },
    { kernel: softmax, reads: { x: [N, classes] }, options: {} },
    { kernel: topK, reads: { x: [N, classes] }, options: { k: 5 } },
  ];
}

/** The largest case within the limits of each kernel, and of 1 x 1 filters apart: they are a GEMM, others are not. */
function quickOf(cases: readonly KernelCase[], caps: Caps): KernelCase[] {
  const best = new Map<string, { c: KernelCase; cost: number }>();
  for (const c of cases) {
    const { flops, bytes } = c.kernel.plan(shapesOf(c), c.options, { caps });
    if (flops > quickLimits.flops || bytes > quickLimits.bytes) continue;
    const isPoint = c.reads.w?.length === 4 && c.reads.w[2] * c.reads.w[3] === 1;
    const key = `${c.kernel.name}${isPoint ? ' 1x1' : ''}`;
    const cost = flops + bytes;
    if (cost > (best.get(key)?.cost ?? 0)) best.set(key, { c, cost });
  }
  return [...best.values()].map(({ c }) => c);
}

function describe(name: string, reads: KernelCase['reads'], options: object): string {
  const shapes = Object.entries(reads).map(([read, shape]) => `${read}=${shape.join('x')}`);
  const settings = Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([option, value]) => `${option}=${Array.isArray(value) ? value.join('x') : value}`);
  return [name, ...shapes, ...settings].join(' ');
}

function matcher(only: string | undefined): (text: string) => boolean {
  if (only === undefined) return () => true;
  const pattern = new RegExp(only);
  return (text) => pattern.test(text);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
